-- migrate:up
INSERT INTO accounts (login) VALUES ('editor'), ('o''hara');
INSERT INTO articles (account_id, slug, headline)
  SELECT id, '', 'Hello; World -- ' || login FROM accounts;

-- migrate:down
DELETE FROM articles;
DELETE FROM accounts;
