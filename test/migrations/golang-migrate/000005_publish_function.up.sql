BEGIN;
CREATE OR REPLACE FUNCTION publish(wanted bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
  touched integer;
BEGIN
  UPDATE posts SET status = 'published', published_at = now()
  WHERE id = wanted AND status = 'draft';
  GET DIAGNOSTICS touched = ROW_COUNT;
  RETURN touched = 1; -- COMMIT; stands in no text of this function
END
$$;
COMMIT;
