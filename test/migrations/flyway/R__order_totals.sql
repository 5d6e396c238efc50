create or replace view order_totals as
  select o.id as order_id, coalesce(sum(l.quantity * p.price), 0) as total
  from orders o
  left join order_lines l on l.order_id = o.id
  left join products p on p.id = l.product_id
  group by o.id;
