-- migrate:up
CREATE FUNCTION slugify(words text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
  SELECT trim(BOTH '-' FROM regexp_replace(lower(words), '[^a-z0-9]+', '-', 'g'));
$$;
CREATE FUNCTION fill_slug() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $fill$
BEGIN
  IF NEW.slug = '' THEN
    NEW.slug := slugify(NEW.headline);
  END IF;
  RETURN NEW;
END $fill$;
CREATE TRIGGER articles_slug_trigger BEFORE INSERT ON articles FOR EACH ROW EXECUTE FUNCTION fill_slug();

-- migrate:down
DROP TRIGGER articles_slug_trigger ON articles;
DROP FUNCTION fill_slug();
DROP FUNCTION slugify(text);
