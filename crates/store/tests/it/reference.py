"""Answers the same questions with DuckDB, from the leaves themselves.

reference.py LEAVES QUERIES: LEAVES has one JSON object a line, {"leaf": n, "raw": text of the leaf};
QUERIES is a JSON array of SQL. Prints a JSON array: for each query its rows, as objects.
"""

import datetime
import json
import sys

import duckdb

leaves, queries = sys.argv[1:]
db = duckdb.connect()
db.execute("SET TimeZone='UTC'")
db.execute("CREATE TABLE raw(leaf BIGINT, raw VARCHAR, e JSON)")
rows = [json.loads(line) for line in open(leaves, encoding="utf-8")]


def parsed(text):
    try:
        json.loads(text)
        return text
    except ValueError:
        return None


db.executemany("INSERT INTO raw VALUES (?, ?, ?)", [(r["leaf"], r["raw"], parsed(r["raw"])) for r in rows])
db.execute(
    """
CREATE MACRO s(e, p) AS CASE WHEN json_type(e, p) = 'VARCHAR' THEN json_extract_string(e, p) END;
CREATE MACRO n(e, p) AS CASE WHEN json_type(e, p) IN ('BIGINT', 'UBIGINT') THEN CAST(json_extract(e, p) AS BIGINT) END;
CREATE MACRO b(e, p) AS CASE WHEN json_type(e, p) = 'BOOLEAN' THEN CAST(json_extract(e, p) AS BOOLEAN) END;
CREATE TABLE contexts AS
  SELECT leaf, n(e, '$.context.first') AS first, n(e, '$.context.end') AS "end", n(e, '$.context.same_as') AS same_as,
         json_extract(e, '$.context.facts') AS facts
  FROM raw WHERE s(e, '$.kind') = 'context' AND s(e, '$.source') = 'aggregator';
CREATE TABLE said AS
  SELECT c.leaf AS said_at, f.fact->'$.subject' AS subject, f.fact->'$.fact' AS fact
  FROM contexts c JOIN contexts o ON o.leaf = coalesce(c.same_as, c.leaf),
       LATERAL (SELECT unnest(CAST(o.facts AS JSON[])) AS fact) f;
CREATE TABLE last_word AS
  SELECT r.leaf, max(c.leaf) AS said_at FROM raw r JOIN contexts c ON r.leaf >= c.first AND r.leaf < c."end" GROUP BY r.leaf;
CREATE TABLE plain AS SELECT leaf,
  s(e, '$.kind') AS kind,
  CASE WHEN e IS NULL THEN 'not-an-entry'
       WHEN s(e, '$.kind') = 'new.kind' THEN 'unknown-kind'
       WHEN s(e, '$.source') <> 'aggregator' AND s(e, '$.kind') IN ('context', 'prune') THEN 'foreign-kind' END AS problem,
  s(e, '$.source') AS source, s(e, '$.boot') AS boot, n(e, '$.seq') AS seq,
  CAST(s(e, '$.time') AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS time, n(e, '$.mono_us') AS mono_us, s(e, '$.call') AS call,
  s(e, '$.session.id') AS session_id, s(e, '$.agent.role') AS role, s(e, '$.agent.user') AS "user",
  s(e, '$.agent.user.absent') AS user_absent, s(e, '$.agent.token.absent') AS token_absent,
  s(e, '$.agent.client') AS client, s(e, '$.server.id') AS server, s(e, '$.server.version') AS server_version,
  s(e, '$.tool.name') AS tool, b(e, '$.tool.in_manifest') AS in_manifest,
  s(e, '$.input_form') AS input_form,
  CASE WHEN s(e, '$.input_form') = 'value' THEN e->'$.input' END AS input_value,
  CASE WHEN s(e, '$.input_form') = 'blob' THEN s(e, '$.input.blob') END AS input_blob,
  CASE WHEN s(e, '$.input_form') <> 'value' THEN n(e, '$.input.bytes') END AS input_bytes,
  coalesce(json_array_length(e, '$.redactions'), 0) AS redacted,
  s(e, '$.status.code') AS status, s(e, '$.status.reason') AS status_reason, n(e, '$.status.rpc_code') AS rpc_code,
  n(e, '$.response.bytes') AS response_bytes, s(e, '$.response.absent') AS response_absent,
  n(e, '$.latency_us') AS latency_us,
  s(e, '$.classification.level') AS level, s(e, '$.policy.decision') AS decision, s(e, '$.policy.set') AS policy_set,
  s(e, '$.correlation.id') AS correlation_id, s(e, '$.correlation.request_id') AS request_id,
  s(e, '$.import.format') AS import_format, octet_length(encode(raw)) AS bytes,
  s(e, '$.gap.reason') AS gap_reason,
  CASE WHEN s(e, '$.kind') = 'call.import' THEN
    nullif(min(leaf) OVER (PARTITION BY s(e, '$.kind'), s(e, '$.call')), leaf) END AS repeats
  FROM raw;
"""
)
for prefix, subject in (
    ("asset", "json_object('server', p.server)"),
    ("user", "json_object('user', p.\"user\")"),
    ("class", "json_object('tool', json_array(p.server, p.tool))"),
):
    db.execute(
        f"""CREATE TABLE {prefix}_said AS SELECT p.leaf, any_value(s.fact) AS fact FROM plain p
        JOIN last_word w USING (leaf) JOIN said s ON s.said_at = w.said_at AND s.subject = {subject}
        WHERE p.kind IN ('call.begin', 'call.end', 'call.import') GROUP BY p.leaf"""
    )
db.execute(
    """
CREATE VIEW entries AS SELECT p.*,
  date_trunc('hour', p.time) AS hour, CAST(date_trunc('day', p.time) AS DATE) AS day,
  coalesce(p.input_blob IN (SELECT s(e, '$.erase.blob') FROM raw WHERE s(e, '$.kind') = 'erase'), false) AS input_erased,
  a.fact->>'$.owner' AS asset_owner, a.fact->>'$.tier' AS asset_tier,
  u.fact->>'$.department' AS user_department, u.fact->>'$."weird key"' AS user_weird,
  c.fact->>'$.level' AS class_level, c.fact->>'$.rule' AS class_rule
  FROM plain p LEFT JOIN asset_said a USING (leaf) LEFT JOIN user_said u USING (leaf) LEFT JOIN class_said c USING (leaf);
CREATE VIEW calls AS SELECT * FROM entries WHERE kind IN ('call.end', 'call.import') AND problem IS NULL AND repeats IS NULL;
CREATE MACRO json_text(j, p) AS json_extract_string(j, p);
"""
)


def plain(value):
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


answers = []
for sql in json.load(open(queries, encoding="utf-8")):
    result = db.execute(sql)
    names = [column[0] for column in result.description]
    answers.append([{n: plain(v) for n, v in zip(names, row)} for row in result.fetchall()])
json.dump(answers, sys.stdout, default=float)
