drop index concurrently ix_lines_product;
drop index concurrently ix_orders_customer;
