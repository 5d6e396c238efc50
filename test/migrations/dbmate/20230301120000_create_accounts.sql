-- migrate:up
CREATE TABLE accounts (
  id serial PRIMARY KEY,
  login varchar(80) NOT NULL CONSTRAINT accounts_login UNIQUE,
  created timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE accounts;
