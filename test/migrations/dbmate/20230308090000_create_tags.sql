-- migrate:up
CREATE TABLE tags (
  article_id integer NOT NULL CONSTRAINT tags_article REFERENCES articles (id) ON DELETE CASCADE,
  tag text NOT NULL,
  PRIMARY KEY (article_id, tag)
);
COMMENT ON TABLE tags IS '
-- migrate:down
is where dbmate itself would stop reading; here it is a comment of a table.';

-- migrate:down
DROP TABLE tags;
