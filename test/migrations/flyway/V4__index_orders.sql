create index concurrently ix_orders_customer on orders (customer_id);
create index concurrently ix_lines_product on order_lines (product_id);
