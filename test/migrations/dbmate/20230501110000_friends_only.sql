-- migrate:up transaction:false
ALTER TYPE visibility ADD VALUE 'friends' BEFORE 'public';

-- migrate:down
