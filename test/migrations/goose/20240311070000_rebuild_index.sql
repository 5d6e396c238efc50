-- +goose NO TRANSACTION
-- +goose Up
REINDEX INDEX CONCURRENTLY orders_customer_idx;
-- +goose Down
-- Nothing to go back to.
