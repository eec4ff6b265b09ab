-- Decide the scope and the category of every charge.
--
-- Reads   charge_marks     one row per charge: what the user's conditions and the catalogue say about it
--         catalogue_rules  (file, name, value, why) of every built-in rule
-- Writes  charge_scopes    scope ('ai', 'out_of_scope'), category (NULL out of scope), their reasons, is_gpu,
--                          unsettled (a credit or tax that could follow no invoice)
-- Grain   one charge (charge_id), each once
-- Units   none: no money is read or written
-- Law     L3: every charge gets a row. A credit, tax or adjustment that names no service of its own follows
--         its invoice when all other charges of it are AI; its category is theirs when they agree.
CREATE OR REPLACE TEMP TABLE charge_scopes AS
WITH judged AS (
    SELECT
        marks.*,
        scope_rules.why AS scope_why,
        category_rules.value AS built_in_category,
        category_rules.why AS category_why,
        marks.user_scope IS NULL AND marks.scope_rule IS NULL AND marks.follows_invoice AS is_follower,
        CASE
            WHEN marks.user_scope LIKE 'scope.exclude%' THEN 'out_of_scope'
            WHEN marks.user_scope IS NOT NULL THEN 'ai'
            WHEN marks.scope_rule IS NOT NULL THEN 'ai'
            ELSE 'out_of_scope'
        END AS own_scope
    FROM charge_marks AS marks
    LEFT JOIN catalogue_rules AS scope_rules
        ON scope_rules.file = 'scope' AND scope_rules.name = marks.scope_rule
    LEFT JOIN catalogue_rules AS category_rules
        ON category_rules.file = 'categories' AND category_rules.name = marks.category_rule
),
categorised AS (
    SELECT
        *,
        COALESCE(user_category_value, built_in_category) AS own_category
    FROM judged
),
invoices AS (
    SELECT
        invoice_key,
        SUM(CASE WHEN own_scope = 'ai' THEN 1 ELSE 0 END) AS ai_charges,
        SUM(CASE WHEN own_scope = 'ai' THEN 0 ELSE 1 END) AS other_charges
    FROM categorised
    WHERE NOT is_follower
    GROUP BY invoice_key
),
invoice_categories AS (
    SELECT
        invoice_key,
        MIN(COALESCE(own_category, 'unclassified')) AS lowest,
        MAX(COALESCE(own_category, 'unclassified')) AS highest
    FROM categorised
    WHERE own_scope = 'ai' AND NOT is_offset
    GROUP BY invoice_key
),
placed AS (
    SELECT
        c.*,
        COALESCE(i.ai_charges, 0) AS ai_charges,
        COALESCE(i.other_charges, 0) AS other_charges,
        CASE
            WHEN NOT c.is_follower THEN c.own_scope
            WHEN COALESCE(i.ai_charges, 0) > 0 AND COALESCE(i.other_charges, 0) = 0 THEN 'ai'
            ELSE 'out_of_scope'
        END AS scope,
        CASE WHEN g.lowest = g.highest THEN g.lowest END AS invoice_category
    FROM categorised AS c
    LEFT JOIN invoices AS i ON i.invoice_key = c.invoice_key
    LEFT JOIN invoice_categories AS g ON g.invoice_key = c.invoice_key
)
SELECT
    charge_id,
    scope,
    CASE
        WHEN is_follower AND scope = 'ai' THEN 'follows its invoice, all of which is AI'
        WHEN is_follower AND ai_charges > 0 THEN 'its invoice is only partly AI'
        WHEN is_follower THEN 'nothing on its invoice is AI'
        WHEN user_scope IS NOT NULL THEN user_scope
        WHEN scope_rule IS NOT NULL THEN 'built-in ' || scope_rule || ': ' || scope_why
        ELSE 'no rule names it as AI'
    END AS scope_reason,
    CASE
        WHEN scope = 'out_of_scope' THEN NULL
        WHEN own_category IS NOT NULL THEN own_category
        WHEN is_offset AND invoice_category IS NOT NULL THEN invoice_category
        WHEN is_offset THEN 'overhead'
        ELSE 'unclassified'
    END AS category,
    CASE
        WHEN scope = 'out_of_scope' THEN NULL
        WHEN user_category IS NOT NULL THEN user_category
        WHEN built_in_category IS NOT NULL THEN 'built-in ' || category_rule || ': ' || category_why
        WHEN is_offset AND invoice_category IS NOT NULL THEN 'follows its invoice, all of which is ' || invoice_category
        WHEN is_offset THEN 'a credit, tax or adjustment of several categories'
        ELSE 'no rule matches it'
    END AS category_reason,
    gpu_rule IS NOT NULL AS is_gpu,
    is_follower AND scope = 'out_of_scope' AND (ai_charges > 0 OR other_charges = 0) AS unsettled,
    ai_charges,
    other_charges
FROM placed
