-- tenantdb:nolint unnamed-constraint
-- What release 1 created from its registry, as tenantdb_migration_draft() wrote it down: a database
-- that has these tables gets a baseline, a new one begins here.

CREATE TABLE clients (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL UNIQUE,
  contact_email varchar(255),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE projects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL,
  client_id uuid NOT NULL REFERENCES clients (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  status varchar(50) NOT NULL DEFAULT 'active',
  settings jsonb
);

CREATE TABLE object_models (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL UNIQUE,
  version varchar(50) NOT NULL,
  structure jsonb NOT NULL,
  description text,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE prompts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL UNIQUE,
  template text NOT NULL,
  parameters jsonb,
  object_model_id uuid REFERENCES object_models (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE llm_usage (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  project_id uuid REFERENCES projects (id),
  prompt_id uuid REFERENCES prompts (id),
  tokens_in integer NOT NULL,
  tokens_out integer NOT NULL,
  model varchar(100) NOT NULL,
  cost numeric(10, 6) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX llm_usage_project ON llm_usage (project_id, created_at);
