-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION order_total(wanted bigint) RETURNS bigint
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $body$
    SELECT coalesce(sum(p.price_cents::bigint * l.quantity), 0) /* $$ means nothing here; */
    FROM order_lines l JOIN products p ON p.id = l.product_id
    WHERE l.order_id = wanted;
$body$;
-- +goose StatementEnd
CREATE VIEW order_totals AS
    SELECT o.id, o.customer_id, order_total(o.id) AS total_cents FROM orders o;

-- +goose Down
DROP VIEW order_totals;
DROP FUNCTION order_total(bigint);
