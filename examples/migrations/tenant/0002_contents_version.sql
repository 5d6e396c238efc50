-- One column for every project. A constant default writes no row, however many contents there are.
ALTER TABLE contents ADD COLUMN IF NOT EXISTS version integer DEFAULT 1;
