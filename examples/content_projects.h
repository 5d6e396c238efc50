/* SPDX-License-Identifier: PostgreSQL */
/* What content_projects.c and content_upgrade.c share; release 1's tables, as SQL with plain names. */
#ifndef CONTENT_PROJECTS_H
#define CONTENT_PROJECTS_H

#include <tenantdb.h>

/* content_projects.c */
void must(tenantdb_status status, const char *what, tenantdb_error **error);
void must_be(int condition, const char *what);
void declare(tenantdb_registry *registry);

/* content_upgrade.c: release 2, while release 1 goes on working with its own handle. */
void upgrade(tenantdb *release_1, const char *folder);

/* The id of a project is the one that the library gave the tenant. */
static const char common_sql[] =
    "CREATE TABLE clients ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  name varchar(255) NOT NULL UNIQUE,"
    "  contact_email varchar(255),"
    "  created_at timestamptz NOT NULL DEFAULT now());"

    "CREATE TABLE projects ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  name varchar(255) NOT NULL,"
    "  client_id uuid NOT NULL REFERENCES clients (id),"
    "  created_at timestamptz NOT NULL DEFAULT now(),"
    "  updated_at timestamptz NOT NULL DEFAULT now(),"
    "  status varchar(50) NOT NULL DEFAULT 'active',"
    "  settings jsonb);"

    "CREATE TABLE object_models ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  name varchar(255) NOT NULL UNIQUE,"
    "  version varchar(50) NOT NULL,"
    "  structure jsonb NOT NULL,"
    "  description text,"
    "  created_at timestamptz NOT NULL DEFAULT now());"

    "CREATE TABLE prompts ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  name varchar(255) NOT NULL UNIQUE,"
    "  template text NOT NULL,"
    "  parameters jsonb,"
    "  object_model_id uuid REFERENCES object_models (id),"
    "  created_at timestamptz NOT NULL DEFAULT now(),"
    "  updated_at timestamptz NOT NULL DEFAULT now());"

    "CREATE TABLE llm_usage ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  project_id uuid REFERENCES projects (id),"
    "  prompt_id uuid REFERENCES prompts (id),"
    "  tokens_in integer NOT NULL,"
    "  tokens_out integer NOT NULL,"
    "  model varchar(100) NOT NULL,"
    "  cost numeric(10, 6) NOT NULL,"
    "  created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX llm_usage_project ON llm_usage (project_id, created_at)";

/* Plain names: the schema is supplied when a project gets its own, and {Common.…} is the shared one. */
static const char project_sql[] =
    "CREATE TABLE contents ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  title varchar(255),"
    "  body text NOT NULL,"
    "  object_model_id uuid NOT NULL REFERENCES {Common.object_models} (id),"
    "  metadata jsonb,"
    "  created_at timestamptz NOT NULL DEFAULT now(),"
    "  updated_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX contents_created ON contents (created_at, id);"

    "CREATE TABLE metadata ("
    "  key varchar(255) PRIMARY KEY,"
    "  value jsonb NOT NULL,"
    "  description text,"
    "  updated_at timestamptz NOT NULL DEFAULT now());"

    "CREATE TABLE vocabulary ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  term varchar(255) NOT NULL UNIQUE,"
    "  definition text NOT NULL,"
    "  category varchar(100),"
    "  created_at timestamptz NOT NULL DEFAULT now());"

    "CREATE TABLE prompt_components ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  name varchar(255) NOT NULL UNIQUE,"
    "  content text NOT NULL,"
    "  base_prompt_id uuid REFERENCES {Common.prompts} (id),"
    "  created_at timestamptz NOT NULL DEFAULT now(),"
    "  updated_at timestamptz NOT NULL DEFAULT now())";

#endif
