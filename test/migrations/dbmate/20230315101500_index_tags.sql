-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY tags_tag ON tags (tag);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY tags_tag;
