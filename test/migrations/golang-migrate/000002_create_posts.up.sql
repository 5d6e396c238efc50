BEGIN;

CREATE TYPE post_status AS ENUM ('draft', 'published');

CREATE TABLE posts (
  id           bigserial PRIMARY KEY,
  author_id    uuid NOT NULL CONSTRAINT posts_author_fk REFERENCES authors (id),
  title        text NOT NULL,
  body         text NOT NULL DEFAULT '',
  status       post_status NOT NULL DEFAULT 'draft',
  published_at timestamptz,
  CONSTRAINT posts_published_check CHECK (status <> 'published' OR published_at IS NOT NULL)
);

COMMIT;
