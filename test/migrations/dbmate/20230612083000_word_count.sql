-- migrate:up
ALTER TABLE articles ADD COLUMN words integer;
UPDATE articles SET words = cardinality(regexp_split_to_array(headline, '\s+'));
CREATE VIEW article_words AS SELECT account_id, sum(words) AS words FROM articles GROUP BY account_id;

-- migrate:down
DROP VIEW article_words;
ALTER TABLE articles DROP COLUMN words;
