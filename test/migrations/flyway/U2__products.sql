drop table products;
drop type product_state;
