-- The pools that a name may mean, with every name that a reader knows them by.
-- Reads:  pools.
-- Writes: pool_id, rule, item, invoice_key, category, model.
-- Grain:  pool, for one period, or for all of them where none is given.
SELECT pool_id, rule, COALESCE(item, ''), COALESCE(invoice_key, ''), category, COALESCE(model, '')
FROM pools
WHERE COALESCE($period, period) = period
ORDER BY rule, pool_id
