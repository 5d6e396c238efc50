create table audit_log (
  id         bigint generated always as identity primary key,
  entity     text not null,
  happened   timestamptz not null default now(),
  was        jsonb,
  became     jsonb
);

create function write_audit() returns trigger
language plpgsql
set search_path from current
as $function$
declare
  before jsonb := case when tg_op = 'INSERT' then null else to_jsonb(old) end;
begin
  insert into audit_log (entity, was, became) values (tg_table_name, before, to_jsonb(new));
  return new;
end;
$function$;

create trigger products_audit after insert or update on products
  for each row execute function write_audit();
update products set state = 'archived' where sku = 'A-2';
