-- The record's schema on PostgreSQL 14 or newer. Run by its owner, a role that no program uses:
--
--   muniment audit schema --role muniment | psql --set=ON_ERROR_STOP=1 --dbname=muniment
--
-- "@ROLE@" is the role that the programs connect as. It may read, and call four functions; it
-- may neither change nor remove anything by itself, nor does it own anything here.

BEGIN;

CREATE SCHEMA muniment_record;
REVOKE ALL ON SCHEMA muniment_record FROM PUBLIC;

CREATE TABLE muniment_record.audit_entry (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    line bytea,
    leaf_hash text NOT NULL CHECK (leaf_hash ~ '^[0-9a-f]{64}$'),
    type text NOT NULL,
    ts text COLLATE "C" NOT NULL,
    pid text,
    matter text,
    outcome text NOT NULL,
    documents text[] NOT NULL
);
CREATE INDEX ON muniment_record.audit_entry (type, seq);
CREATE INDEX ON muniment_record.audit_entry (ts, seq);
CREATE INDEX ON muniment_record.audit_entry (pid, seq);
CREATE INDEX ON muniment_record.audit_entry (matter, seq);
CREATE INDEX ON muniment_record.audit_entry USING gin (documents);

CREATE TABLE muniment_record.audit_key (
    position bigint GENERATED ALWAYS AS IDENTITY,
    key_id text PRIMARY KEY,
    subject text NOT NULL,
    period text NOT NULL,
    wrapped bytea,
    destroyed_at text,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX ON muniment_record.audit_key (subject, period, position);

CREATE TABLE muniment_record.audit_payload (
    seq bigint PRIMARY KEY REFERENCES muniment_record.audit_entry,
    key_id text NOT NULL REFERENCES muniment_record.audit_key,
    nonce bytea,
    ciphertext bytea
);
CREATE INDEX ON muniment_record.audit_payload (key_id);

CREATE TABLE muniment_record.audit_tile (
    level integer NOT NULL,
    idx bigint NOT NULL,
    hashes bytea NOT NULL,
    root bytea NOT NULL,
    PRIMARY KEY (level, idx)
);

CREATE TABLE muniment_record.audit_checkpoint (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size bigint NOT NULL,
    note text NOT NULL
);
CREATE INDEX ON muniment_record.audit_checkpoint (size, position);

CREATE TABLE muniment_record.audit_probe (
    number integer PRIMARY KEY,
    turn bigint NOT NULL
);

-- Against accidents, the owner's too. Nothing here can bind a superuser; what the hashes and a
-- witness make visible is said in docs/record.md.
CREATE FUNCTION muniment_record.only_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('muniment.removing', true), '') <> 'announced'
        OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'the record only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON muniment_record.audit_entry
    FOR EACH ROW EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON muniment_record.audit_payload
    FOR EACH ROW EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON muniment_record.audit_key
    FOR EACH ROW EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON muniment_record.audit_tile
    FOR EACH ROW EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON muniment_record.audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON muniment_record.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON muniment_record.audit_payload
    FOR EACH STATEMENT EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON muniment_record.audit_key
    FOR EACH STATEMENT EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON muniment_record.audit_tile
    FOR EACH STATEMENT EXECUTE FUNCTION muniment_record.only_grows();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON muniment_record.audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION muniment_record.only_grows();

-- One writer at a time, until the end of its transaction.
CREATE FUNCTION muniment_record.audit_lock() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_xact_lock(7307512, 1)
$$;

-- Adds a batch: keys, entries, payloads, tiles, and what an announcing entry among them removes.
CREATE FUNCTION muniment_record.audit_append(batch jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    next_seq bigint;
    entry jsonb;
    line bytea;
    removal jsonb := batch -> 'removal';
    announced text := '';
    redacted bigint[] := ARRAY[]::bigint[];
BEGIN
    IF current_setting('synchronous_commit') = 'off' OR current_setting('fsync') = 'off' THEN
        RAISE EXCEPTION 'what is written here must be durable: synchronous_commit and fsync are on'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM muniment_record.audit_lock();
    SELECT coalesce(max(seq), -1) + 1 INTO next_seq FROM muniment_record.audit_entry;

    INSERT INTO muniment_record.audit_key (key_id, subject, period, wrapped)
    SELECT each ->> 'key_id', each ->> 'subject', each ->> 'period',
           decode(each ->> 'wrapped', 'hex')
    FROM jsonb_array_elements(batch -> 'keys') AS each;

    FOR entry IN SELECT * FROM jsonb_array_elements(batch -> 'entries') LOOP
        line := decode(entry ->> 'line', 'hex');
        IF (entry ->> 'seq')::bigint <> next_seq THEN
            RAISE EXCEPTION 'entry % would stand where % belongs', entry ->> 'seq', next_seq
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF encode(sha256('\x00'::bytea || line), 'hex') IS DISTINCT FROM entry ->> 'leaf_hash' THEN
            RAISE EXCEPTION 'entry % does not have the hash it is given with', next_seq
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        INSERT INTO muniment_record.audit_entry
            (seq, line, leaf_hash, type, ts, pid, matter, outcome, documents)
        VALUES (
            next_seq, line, entry ->> 'leaf_hash', entry ->> 'type', entry ->> 'ts',
            entry ->> 'pid', entry ->> 'matter',
            coalesce(convert_from(line, 'UTF8')::jsonb ->> 'outcome', ''),
            ARRAY(SELECT jsonb_array_elements_text(entry -> 'documents'))
        );
        announced := entry ->> 'type';
        IF entry ->> 'type' = 'audit.redaction' THEN
            redacted := redacted || ARRAY(
                SELECT jsonb_array_elements_text(
                    convert_from(line, 'UTF8')::jsonb -> 'redacts')::bigint);
        END IF;
        next_seq := next_seq + 1;
    END LOOP;

    INSERT INTO muniment_record.audit_payload (seq, key_id, nonce, ciphertext)
    SELECT (each ->> 'seq')::bigint, each ->> 'key_id', decode(each ->> 'nonce', 'hex'),
           decode(each ->> 'ciphertext', 'hex')
    FROM jsonb_array_elements(batch -> 'payloads') AS each;

    INSERT INTO muniment_record.audit_tile (level, idx, hashes, root)
    SELECT (each ->> 'level')::integer, (each ->> 'index')::bigint,
           decode(each ->> 'hashes', 'hex'), decode(each ->> 'root', 'hex')
    FROM jsonb_array_elements(batch -> 'tiles') AS each;

    IF jsonb_array_length(removal -> 'lines') > 0 AND NOT (announced = 'audit.redaction' AND
        ARRAY(SELECT jsonb_array_elements_text(removal -> 'lines')::bigint) <@ redacted) THEN
        RAISE EXCEPTION 'an envelope is removed only by a redaction that names it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF jsonb_array_length(removal -> 'keys') + jsonb_array_length(removal -> 'payloads') > 0
        AND announced NOT IN ('audit.erasure', 'audit.disposal', 'audit.redaction') THEN
        RAISE EXCEPTION 'a payload is removed only together with an entry that says so'
            USING ERRCODE = 'restrict_violation';
    END IF;

    PERFORM set_config('muniment.removing', 'announced', true);
    UPDATE muniment_record.audit_key SET wrapped = NULL, destroyed_at = removal ->> 'at'
    WHERE wrapped IS NOT NULL
        AND key_id IN (SELECT jsonb_array_elements_text(removal -> 'keys'));
    UPDATE muniment_record.audit_payload SET nonce = NULL, ciphertext = NULL
    WHERE seq IN (SELECT jsonb_array_elements_text(removal -> 'payloads')::bigint)
        OR key_id IN (SELECT jsonb_array_elements_text(removal -> 'keys'));
    UPDATE muniment_record.audit_entry SET line = NULL, pid = NULL, matter = NULL, documents = '{}'
    WHERE seq IN (SELECT jsonb_array_elements_text(removal -> 'lines')::bigint);
    PERFORM set_config('muniment.removing', '', true);
    RETURN next_seq;
END $$;

CREATE FUNCTION muniment_record.audit_add_checkpoint(of_size bigint, signed_note text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO muniment_record.audit_checkpoint (size, note) VALUES (of_size, signed_note);
END $$;

-- Something durable that means nothing, to learn whether writing works.
CREATE FUNCTION muniment_record.audit_test_write() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO muniment_record.audit_probe AS probe VALUES (0, 1)
    ON CONFLICT (number) DO UPDATE SET turn = probe.turn + 1
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA muniment_record FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA muniment_record FROM PUBLIC;
GRANT USAGE ON SCHEMA muniment_record TO "@ROLE@";
GRANT SELECT ON ALL TABLES IN SCHEMA muniment_record TO "@ROLE@";
GRANT EXECUTE ON FUNCTION
    muniment_record.audit_lock(),
    muniment_record.audit_append(jsonb),
    muniment_record.audit_add_checkpoint(bigint, text),
    muniment_record.audit_test_write()
TO "@ROLE@";

COMMIT;
