alter table orders add column channel text not null default 'web';
alter table orders add constraint ck_orders_channel check (channel in ('web', 'phone', 'shop'));
