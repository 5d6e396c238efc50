-- +goose Up
ALTER TABLE customers ADD COLUMN country char(2);
UPDATE customers SET country = 'DE' WHERE country IS NULL;
ALTER TABLE customers ALTER COLUMN country SET DEFAULT 'DE';

-- +goose Down
ALTER TABLE customers DROP COLUMN country;
