-- +goose NO TRANSACTION
-- +goose Up
ALTER TYPE product_state ADD VALUE IF NOT EXISTS 'archived' AFTER 'sold_out';
UPDATE products SET state = 'archived' WHERE sku = 'cup-01';

-- +goose Down
-- A value of an enum cannot be taken away again; the rows can.
UPDATE products SET state = 'draft' WHERE state = 'archived';
