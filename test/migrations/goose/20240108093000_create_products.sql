-- +goose Up
-- What is for sale. Prices are in cents, so that nothing is rounded.
CREATE TYPE product_state AS ENUM ('draft', 'listed', 'sold_out');

CREATE TABLE products (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku         text NOT NULL CONSTRAINT products_sku_key UNIQUE,
    title       text NOT NULL,
    state       product_state NOT NULL DEFAULT 'draft',
    price_cents integer NOT NULL CONSTRAINT products_price_check CHECK (price_cents >= 0)
);

INSERT INTO products (sku, title, state, price_cents) VALUES
    ('tea-01', 'Tea; loose, 250 g', 'listed', 690),
    ('pot-01', 'Pot -- cast iron', 'listed', 4900),
    ('cup-01', 'Cup ''small''', 'draft', 850);

-- +goose Down
DROP TABLE products;
DROP TYPE product_state;
