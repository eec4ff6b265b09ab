"""What a file is, from its columns and a look at its values."""

from __future__ import annotations

import pytest

from apportion.setup.recognition import Recognised, Unknown, recognise
from tests.unit.setup.folder import sample, seen

FOCUS = (
    "BilledCost,BillingCurrency,BillingPeriodStart,InvoiceIssuerName,ServiceName\n1,USD,2026-11-01,OpenAI,OpenAI API"
)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("charges", FOCUS),
        ("usage", "called_at,provider,model,input_tokens,output_tokens\n2026-11-03,openai,gpt-4o,1,1"),
        ("usage", "timestamp,gen_ai.system,gen_ai.usage.input_tokens\n2026-11-03,openai,1"),
        ("meters", "item,day,team,quantity,capacity\ng,2026-11-01,search,1,24"),
        ("seats", "tool,seat_id,assigned_to,price,last_active_at\ncopilot,s,u,39.00,2026-11-01"),
        ("roster", "person,name,team,valid_from\nu,Ada,search,2026-01-01"),
        ("roster", "email,department\nada@example.com,search"),
        ("lookup", "api_key_id,team\nk-1,search"),
        ("lookup", "team,cost_center\nsearch,CC-1"),
        ("lookup", "cost_center,department,entity\nCC-1,Search,Larkspur"),
        ("codes", "code,name,entity,gl_account\nCC-1,Search,Larkspur,6450"),
        ("invoices", "issuer,invoice_id,period,currency,total\nOpenAI,I-1,2026-11,USD,10.00"),
        ("fx", "currency,period,rate\nEUR,2026-11,1.09"),
    ],
)
def test_each_input_is_recognised(table: str, text: str) -> None:
    found = seen(text)
    assert isinstance(found, Recognised)
    assert (found.table, dict(found.columns), dict(found.constants)) == (table, {}, {})


def test_a_cloud_export_brings_its_mapping_and_its_columns_of_tags() -> None:
    head = "lineItem/UnblendedCost,lineItem/CurrencyCode,lineItem/UsageStartDate"
    head += ",resourceTags/user:team,resourceTags/user:x"
    found = seen(f"{head}\n1.5,USD,2026-11-03,search,1")
    assert isinstance(found, Recognised)
    assert found.what == "an AWS Cost and Usage Report"
    assert found.columns["billed_cost"] == "lineItem/UnblendedCost"
    assert found.columns["x_team"] == "resourceTags/user:team"
    assert found.constants == {"provider_name": "AWS"}


def test_what_is_guessed_is_said() -> None:
    found = seen("BilledCost,BillingPeriodStart,InvoiceIssuerName,ServiceName,ChargeCategory\n1,9/2/2026,A,B,Usage")
    assert isinstance(found, Recognised)
    assert found.constants == {"billing_currency": "USD", "date_format": "%m/%d/%Y"}
    assert len(found.assumed) == 2
    found = recognise(sample("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1"), "AzureTrace.csv")
    assert isinstance(found, Recognised)
    assert found.constants == {"provider": "azure.ai.openai"}
    assert "names no provider" in found.assumed[0]


def test_a_vendors_list_of_charges_is_a_bill_and_a_card_statement_is_not() -> None:
    found = recognise(
        sample("date,product,sku,quantity,net_amount\n2026-10-01,copilot,seat,1,19"), "github_usage.csv", "EUR"
    )
    assert isinstance(found, Recognised)
    assert (found.columns["billed_cost"], found.columns["service_name"]) == ("net_amount", "product")
    assert found.constants == {"provider_name": "GitHub", "billing_currency": "EUR"}
    assert isinstance(seen("Timestamp,Merchant,Amount,Category\n2026-10-03,OPENAI,20.00,Software"), Unknown)


def test_calls_without_a_day_are_usage_that_cannot_be_read_yet() -> None:
    found = seen("model,client,requests,input_tokens,output_tokens\nm,c,1,1,1")
    assert isinstance(found, Recognised)
    assert found.table == "usage"
    assert "no day" in found.lacks


def test_a_meter_may_call_its_quantity_after_itself_or_after_what_it_counts() -> None:
    found = seen("day,team,gpu_hours\n2026-11-01,search,1.5", "gpu_hours.csv")
    assert isinstance(found, Recognised)
    assert (found.columns, found.unit) == ({"quantity": "gpu_hours"}, "GPU-Hours")
    found = seen("interval_start,node,namespace,gpu_pod_uptime\n2026-11-01,n,ml,3600", "pods.csv")
    assert isinstance(found, Recognised)
    assert (found.columns, found.unit) == ({"quantity": "gpu_pod_uptime"}, "Seconds")
    found = recognise(sample("item,day,customer,quantity\nassist,2026-11-30,birch,10"), "revenue.csv", "EUR")
    assert isinstance(found, Recognised)
    assert found.unit == "EUR"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("currency,other\nUSD,1", "nearest to exchange rates, without `rate`"),
        ("interval_start,node,labels\n2026-11-01,n,x", "nearest to a meter, without `quantity`"),
        (",".join(f"c{n}" for n in range(200)) + "\n" + ",".join("1" * 200), "like nothing that is read"),
        ("a,b\n1,2", "like nothing that is read"),
    ],
)
def test_a_file_that_is_nothing_is_told_the_nearest(text: str, says: str) -> None:
    found = seen(text)
    assert isinstance(found, Unknown)
    assert says in found.reason
