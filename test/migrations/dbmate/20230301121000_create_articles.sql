-- migrate:up
CREATE TYPE visibility AS ENUM ('hidden', 'members', 'public');
CREATE TABLE articles (
  id serial PRIMARY KEY,
  account_id integer NOT NULL CONSTRAINT articles_account REFERENCES accounts (id),
  slug text NOT NULL,
  headline text NOT NULL,
  seen_by visibility NOT NULL DEFAULT 'hidden',
  CONSTRAINT articles_slug UNIQUE (account_id, slug)
)

-- migrate:down
DROP TABLE articles;
DROP TYPE visibility
