"""The AI model that a charge is for, where the bill says it for certain."""

from __future__ import annotations

from apportion.focus import fold
from apportion.normalize.providers import packaged
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

_OWN_COLUMNS = ("x_ModelId", "x_Model", "ModelId", "Model")
_PROPERTIES = ("ModelId", "x_ModelId", "x_Model")


def model_sql(header: tuple[str, ...]) -> str:
    """An expression for the model of a row of the view `_aligned`.

    The bill's own model column goes first, then the properties of the SKU's price, then what the SKU and
    the description say. A tag is no model.

    Args:
        header: The file's column names.

    Returns:
        SQL text; NULL where nothing is certain.
    """
    rules = packaged("models.yml")
    wanted = {fold(name): turn for turn, name in enumerate(_OWN_COLUMNS)}
    own = sorted((name for name in header if fold(name) in wanted), key=lambda name: wanted[fold(name)])
    said = [f"extra[{literal(name)}]" for name in own]
    details = quoted("sku_price_details")
    said += [
        f"CASE WHEN json_valid({details}) THEN json_extract_string({details}, {literal(f'$.{key}')}) END"
        for key in _PROPERTIES
    ]
    names, tokens = rules["names"], rules["tokens"]
    for sku in ("sku_id", "sku_meter"):
        text = f"lower(trim({quoted(sku)}))"
        said.append(f"CASE WHEN regexp_full_match({text}, {literal(names)}) THEN {text} END")
    told = f"lower(trim({quoted('charge_description')}))"
    said.append(f"regexp_extract({told}, {literal(f'^({names}),? +{tokens}')}, 1)")
    for rule in rules["spelled"]:
        text, model = literal(rule["text"]), literal(rule["model"])
        said.append(
            f"CASE WHEN regexp_matches({told}, {text}) THEN replace(regexp_replace("
            f"regexp_extract({told}, {text}), {literal(rule['text'] + '.*')}, {model}), ' ', '-') END"
        )
    return "coalesce(" + ", ".join(f"nullif(trim({text}), '')" for text in said) + ")"
