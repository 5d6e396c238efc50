BEGIN;
CREATE TABLE comments (
  id       bigserial PRIMARY KEY,
  post_id  bigint NOT NULL CONSTRAINT comments_post_fk REFERENCES posts (id) ON DELETE CASCADE,
  parent   bigint CONSTRAINT comments_parent_fk REFERENCES comments (id),
  said     text NOT NULL,
  at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX comments_post_idx ON comments (post_id, at);
COMMIT;
