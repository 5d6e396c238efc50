drop trigger products_audit on products;
drop function write_audit();
drop table audit_log;
