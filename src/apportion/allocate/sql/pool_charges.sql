-- Every charge in scope, with the pool it belongs to in this period and the days its weights come from.
-- Reads:  ruled_charges, rules, metered_items, ledger
-- Writes: pool_charges
-- Grain:  charge
-- Law:    L1: each charge of the period enters exactly one pool; an amortised one enters each period of its term.
WITH placed AS (
  SELECT
    c.*,
    COALESCE(r.method, 'none') AS method,
    COALESCE(r.amortized, FALSE) AS amortized,
    CASE
      WHEN NOT COALESCE(r.amortized, FALSE) OR r.amortize_days IS NULL THEN c.day_to
      ELSE c.day_from + r.amortize_days
    END AS term_to,
    CASE
      WHEN c.rule IN ('credits@1', 'tax@1') THEN ''
      WHEN COALESCE(r.method, 'direct') = 'direct' THEN
        CONCAT_WS('/', c.provider_key, c.account_key, c.model_key)
      WHEN COALESCE(r.metered, FALSE) THEN COALESCE(m.item, '')
      ELSE ''
    END AS item,
    CASE
      WHEN COALESCE(r.method, 'direct') = 'direct' THEN c.own_owner
      ELSE ''
    END AS pool_owner,
    CASE
      WHEN COALESCE(r.method, 'direct') = 'direct' THEN c.own_layer
      ELSE ''
    END AS pool_layer
  FROM ruled_charges AS c
  LEFT JOIN rules AS r ON r.rule = c.rule
  LEFT JOIN metered_items AS m ON m.rule = c.rule AND m.item = c.resource_id
)
SELECT
  CONCAT(
    SPLIT_PART(p.rule, '@', 1), '-', l.period, '-',
    SUBSTR(MD5(CONCAT_WS('|',
      p.rule, p.invoice_key, p.kind, p.item, p.pool_owner, p.pool_layer, p.training,
      CASE WHEN p.amortized THEN CONCAT(p.day_from, '/', p.term_to) ELSE '' END,
      -- Names that hold a separator get the lengths of the parts, so that no two pools share an id.
      CASE
        WHEN p.item <> '' AND p.method IN ('direct', 'none')
          AND (CONCAT(p.provider_key, p.account_key) LIKE '%/%' OR CONCAT(p.item, p.pool_owner) LIKE '%|%') THEN
          CONCAT_WS(',', LENGTH(p.provider_key), LENGTH(p.account_key), LENGTH(p.item), LENGTH(p.pool_owner))
        WHEN CONCAT(p.item, p.pool_owner) LIKE '%|%' THEN CONCAT_WS(',', LENGTH(p.item), LENGTH(p.pool_owner))
      END)), 1, 10)
  ) AS pool_id,
  p.*,
  -- A seat that joins late is billed for its own days, and is still one of the month's seats.
  CASE
    WHEN p.amortized THEN GREATEST(p.day_from, l.period_start)
    WHEN p.method = 'seats' THEN LEAST(p.day_from, l.period_start)
    ELSE p.day_from
  END AS window_from,
  CASE
    WHEN p.amortized THEN LEAST(p.term_to, l.period_end)
    WHEN p.method = 'seats' THEN GREATEST(p.day_to, l.period_end)
    ELSE p.day_to
  END AS window_to
FROM placed AS p
CROSS JOIN ledger AS l
WHERE (p.period = l.period AND NOT p.amortized)
  OR (p.amortized AND p.period <= l.period AND p.day_from < l.period_end AND p.term_to > l.period_start)
  OR (p.amortized AND p.period = l.period)
