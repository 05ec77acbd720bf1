-- One query a line; both engines run the very same text.
SELECT count(*) AS n, count(kind) AS kinds, count(time) AS times FROM entries
SELECT kind, count(*) AS n FROM entries GROUP BY kind ORDER BY kind NULLS LAST
SELECT problem, count(*) AS n FROM entries GROUP BY problem ORDER BY problem NULLS LAST
SELECT leaf, kind, source, seq, time, mono_us, bytes FROM entries ORDER BY leaf
SELECT leaf, call, session_id, role, "user", user_absent, token_absent, client, server, server_version, tool, in_manifest FROM entries ORDER BY leaf
SELECT leaf, input_form, input_blob, input_bytes, redacted, status, status_reason, rpc_code, response_bytes, response_absent, latency_us FROM entries WHERE kind LIKE 'call.%' ORDER BY leaf
SELECT leaf, level, decision, policy_set, correlation_id, request_id, import_format, repeats FROM entries ORDER BY leaf
SELECT leaf, asset_owner, asset_tier, user_department, class_level, class_rule FROM entries ORDER BY leaf
SELECT leaf, asset_owner, user_department FROM calls WHERE asset_owner LIKE 'team-%-9' ORDER BY leaf
SELECT asset_owner, count(*) AS n FROM calls GROUP BY asset_owner ORDER BY asset_owner NULLS LAST
SELECT user_department, status, count(*) AS n, sum(response_bytes) AS total FROM calls GROUP BY user_department, status ORDER BY user_department NULLS LAST, status
SELECT class_level, level, count(*) AS n FROM calls WHERE class_level IS NOT NULL GROUP BY class_level, level ORDER BY class_level, level NULLS LAST
SELECT status, count(*) AS n FROM calls GROUP BY status ORDER BY status
SELECT hour, status, count(*) AS n FROM calls GROUP BY hour, status ORDER BY hour, status
SELECT day, count(*) AS n, min(latency_us) AS low, max(latency_us) AS high, avg(latency_us) AS mean FROM calls GROUP BY day ORDER BY day NULLS LAST
SELECT date_trunc('hour', time) AS h, count(*) AS n FROM entries WHERE kind = 'call.end' GROUP BY 1 ORDER BY 1
SELECT tool, sum(response_bytes) AS total FROM calls GROUP BY tool ORDER BY total DESC, tool LIMIT 3
SELECT leaf, tool, time FROM entries WHERE session_id = 'sess-7' ORDER BY leaf
SELECT count(*) AS n FROM entries WHERE session_id = 'sess-none'
SELECT leaf, time FROM calls WHERE "user" = 'ann' ORDER BY time DESC, leaf DESC LIMIT 20
SELECT policy_set, count(*) FILTER (WHERE decision = 'deny') AS denied, count(*) AS n FROM calls GROUP BY policy_set ORDER BY policy_set
SELECT "user", count(DISTINCT session_id) AS sessions, count(DISTINCT tool) AS tools FROM calls GROUP BY "user" ORDER BY "user" NULLS LAST
SELECT "user", count(*) AS n FROM calls WHERE level = 'restricted' AND (extract(hour FROM time) < 7 OR extract(hour FROM time) >= 19) GROUP BY "user" ORDER BY "user" NULLS LAST
SELECT count(*) AS n FROM calls WHERE time >= TIMESTAMP '2026-11-20 12:00:00' AND time < TIMESTAMP '2026-11-21 03:00:00'
SELECT server, approx FROM (SELECT server, count(*) AS approx FROM calls GROUP BY server) x WHERE approx > 10 ORDER BY server
SELECT b.leaf AS begun, e.leaf AS ended FROM entries b JOIN entries e ON b.call = e.call WHERE b.kind = 'call.begin' AND e.kind = 'call.end' AND e.status = 'error' ORDER BY b.leaf LIMIT 50
SELECT count(*) AS n FROM entries b WHERE b.kind = 'call.begin' AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.call = b.call AND e.kind = 'call.end')
SELECT call, count(*) AS n FROM entries WHERE kind = 'call.import' GROUP BY call HAVING count(*) > 1 ORDER BY call
SELECT count(*) AS n, count(DISTINCT call) AS distinct_calls FROM calls
SELECT leaf, input_blob, input_erased FROM entries WHERE input_blob IS NOT NULL ORDER BY leaf
SELECT session_id, time, lag(time) OVER (PARTITION BY session_id ORDER BY leaf) AS before FROM calls WHERE session_id IN ('sess-1', 'sess-2') ORDER BY leaf
SELECT session_id, leaf, row_number() OVER (PARTITION BY session_id ORDER BY latency_us DESC NULLS LAST, leaf) AS place FROM calls ORDER BY session_id, place LIMIT 100
SELECT * FROM (SELECT "user", tool, count(*) AS n, rank() OVER (PARTITION BY "user" ORDER BY count(*) DESC, tool) AS r FROM calls WHERE "user" IS NOT NULL GROUP BY "user", tool) x WHERE r <= 2 ORDER BY "user", r
SELECT CASE WHEN latency_us < 1000 THEN 'fast' WHEN latency_us IS NULL THEN 'none' ELSE 'slow' END AS class, count(*) AS n FROM calls GROUP BY 1 ORDER BY 1
SELECT kind, count(*) AS n FROM entries WHERE source = 'aggregator' GROUP BY kind ORDER BY kind
SELECT upper(server) AS s, substr(tool, 1, 3) AS t, length(tool) AS l, count(*) AS n FROM calls GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
SELECT server FROM calls WHERE status = 'error' INTERSECT SELECT server FROM calls WHERE decision = 'deny' ORDER BY server
SELECT count(*) AS n FROM calls WHERE tool LIKE '%tool%' OR tool IN ('read', 'write')
SELECT redacted, input_form, count(*) AS n FROM calls GROUP BY redacted, input_form ORDER BY redacted, input_form
SELECT decision, coalesce(level, 'none') AS l, count(*) AS n, sum(coalesce(latency_us, 0)) AS total FROM calls GROUP BY 1, 2 ORDER BY 1, 2
