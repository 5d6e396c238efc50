ALTER TABLE prompts ADD COLUMN language varchar(8) NOT NULL DEFAULT 'en';
