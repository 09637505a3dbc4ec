"""A PostgreSQL database that tests use one after the other, each as the migrations left it.

To empty it takes a thirtieth of the time that a new one takes. One whose tables were changed,
analyzed or filled is made anew.
"""

from uuid import uuid4

from tests.postgres import Conversation, Server

# `pristine` is a schema that nothing of ours looks at. What the catalogues say is copied with a
# template, to the transaction's id. What empties the tables is written out, so that a connection
# plans it once.
PRISTINE = """
CREATE SCHEMA pristine;
CREATE FUNCTION pristine.shape() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ',
        (SELECT sum(xmin::text::bigint + oid::bigint) || ',' || sum(reltuples) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
        (SELECT sum(a.xmin::text::bigint) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE relnamespace = 'public'::regnamespace),
        (SELECT sum(xmin::text::bigint) FROM pg_constraint),
        (SELECT sum(xmin::text::bigint) FROM pg_trigger),
        (SELECT sum(xmin::text::bigint) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
        (SELECT count(*) FROM pg_statistic),
        (SELECT count(*) FROM pg_namespace),
        (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database()))
$$;
DO $$
DECLARE each name; filled boolean; refill text := '';
BEGIN
    FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        refill := refill || format('DELETE FROM public.%I;', each);
        EXECUTE format('SELECT count(*) > 0 FROM public.%I', each) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE pristine.%1$I AS TABLE public.%1$I', each);
            refill := refill || format('INSERT INTO public.%1$I TABLE pristine.%1$I;', each);
        END IF;
    END LOOP;
    EXECUTE format('CREATE FUNCTION pristine.refill() RETURNS void LANGUAGE plpgsql
        AS %L', 'BEGIN ' || refill || ' END');
END $$;
CREATE FUNCTION pristine.restore() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    IF pristine.shape() <> (SELECT was FROM pristine.mark) OR (SELECT sum(pg_relation_size(oid))
            FROM pg_class WHERE relnamespace = 'public'::regnamespace) > 2000000 THEN
        RETURN 'changed';
    END IF;
    SET LOCAL session_replication_role = replica;  -- neither triggers nor foreign keys
    PERFORM pristine.refill();
    RETURN 'restored';
END $$;
CREATE TABLE pristine.mark AS SELECT pristine.shape() AS was;
"""


class Reused:
    """One database of a server."""

    def __init__(self, server: Server, template: str) -> None:
        """Make it from a database that `PRISTINE` was run in."""
        self._server, self._template = server, template
        self.name = f"test_{uuid4().hex}"
        self._keeping: Conversation | None = None
        server.create(self.name, template=template)

    @property
    def url(self) -> str:
        return self._server.url(self.name)

    def restore(self) -> bool:
        """Throw out whoever is still connected, and make it as it was.

        Returns:
            Whether emptying was enough.
        """
        if self._keeping is None:
            self._keeping = self._server.converse(self.name)
        if self._keeping.ask("SELECT pristine.restore()") == "restored":
            return True
        self.close()
        self._server.drop(self.name)
        self._server.create(self.name, template=self._template)
        return False

    def close(self) -> None:
        if self._keeping is not None:
            self._keeping.close()
            self._keeping = None
