BEGIN;

CREATE TABLE IF NOT EXISTS authors (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  handle     text NOT NULL,
  email      text NOT NULL,
  joined_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT authors_handle_unique UNIQUE (handle)
);

COMMENT ON COLUMN authors.handle IS 'BEGIN; with a letter; COMMIT; to nothing';

COMMIT;
