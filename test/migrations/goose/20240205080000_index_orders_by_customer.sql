-- +goose NO TRANSACTION

-- +goose Up
CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer_id, placed_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS order_lines_product_idx ON order_lines (product_id);

-- +goose Down
DROP INDEX CONCURRENTLY order_lines_product_idx;
DROP INDEX CONCURRENTLY orders_customer_idx;
