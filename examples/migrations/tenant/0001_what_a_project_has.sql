-- tenantdb:nolint unnamed-constraint, foreign-key-validates
-- What release 1 created from its registry. Names stand without a schema, which the stream supplies;
-- only what all projects share is named with its own.

CREATE TABLE contents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  title varchar(255),
  body text NOT NULL,
  object_model_id uuid NOT NULL REFERENCES public.object_models (id),
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contents_created ON contents (created_at, id);

CREATE TABLE metadata (
  key varchar(255) PRIMARY KEY,
  value jsonb NOT NULL,
  description text,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE vocabulary (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  term varchar(255) NOT NULL UNIQUE,
  definition text NOT NULL,
  category varchar(100),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE prompt_components (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL UNIQUE,
  content text NOT NULL,
  base_prompt_id uuid REFERENCES public.prompts (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
