-- What every owner received in two periods, for each thing that can be compared: calls of a model, a pool, a credit.
-- Reads:  allocated_charges, pools. `a.d` stands for the value, `a.e` for the line of work, such as the feature.
-- Writes: value, metered (divided by the usage of calls), kind, rule, item, role, line, provider, model, pool_model,
--         invoice_key (the last by name), now_nano, before_nano (nano-units of the ledger currency), estimate.
-- Grain:  value as shown × metered × kind × rule × item × role × line × provider × model; a rule, an item and a role
--         only where no calls divided the money, a line only where they did. Of each value the $most largest.
WITH summed AS (
  SELECT a.period AS period, a.pool_id AS pool_id, a.d AS value, a.e AS line, a.model AS model, a.role AS role,
    SUM(a.cost_nano) AS nano
  FROM allocated_charges AS a
  WHERE a.period IN ($period, $earlier) AND NOT a.owner LIKE 'pool:%'
    AND (CAST($values AS VARCHAR[]) IS NULL OR a.d IN (SELECT UNNEST(CAST($values AS VARCHAR[]))))
  GROUP BY 1, 2, 3, 4, 5, 6
),
told AS (
  SELECT s.period, s.value, s.line, s.model, s.role, s.nano, p.kind, p.rule, COALESCE(p.item, '') AS item, p.status,
    p.invoice_key, COALESCE(p.provider, '') AS provider, COALESCE(p.model, '') AS pool_model,
    p.method = 'direct' AND p.kind = 'usage' AND COALESCE(p.fallback, '') = ''
      AND COALESCE(p.basis, '') IN ('list cost', 'list cost in nano-units', 'tokens', 'requests') AS metered
  FROM summed AS s
  JOIN pools AS p ON p.pool_id = s.pool_id AND p.period = s.period
),
keyed AS (
  SELECT
    value, metered, kind,
    CASE WHEN metered THEN '' ELSE rule END AS rule,
    CASE WHEN metered THEN '' ELSE item END AS item,
    CASE WHEN metered THEN '' ELSE role END AS role,
    CASE WHEN metered THEN line ELSE '' END AS line,
    provider,
    CASE WHEN metered THEN model ELSE '' END AS model,
    pool_model,
    MAX(invoice_key) AS invoice_key,
    SUM(CASE WHEN period = $period THEN nano ELSE 0 END) AS now_nano,
    SUM(CASE WHEN period = $period THEN 0 ELSE nano END) AS before_nano,
    MAX(CASE WHEN status = 'estimate' THEN 1 ELSE 0 END) AS estimate
  FROM told
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY value
    ORDER BY GREATEST(ABS(now_nano), ABS(before_nano)) DESC, metered, kind, rule, item, role, line, provider, model,
      pool_model
  ) AS place
  FROM keyed
  WHERE now_nano <> 0 OR before_nano <> 0
)
SELECT value, metered, kind, rule, item, role, line, provider, model, pool_model, invoice_key, now_nano, before_nano,
  estimate
FROM placed
WHERE place <= $most
ORDER BY value, place
