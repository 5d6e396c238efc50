-- migrate:up
UPDATE articles SET seen_by = 'friends' WHERE seen_by = 'hidden';

-- migrate:down
UPDATE articles SET seen_by = 'hidden' WHERE seen_by = 'friends';
