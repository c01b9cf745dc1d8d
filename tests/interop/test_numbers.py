"""Phone numbers: ordered from a pool, associated, called, deleted and restored, by boto3."""

import json

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from harness import places
from harness.control_api import ControlApi

POOL = [f"+1206555{n:04}" for n in range(200, 205)]


@pytest.fixture
def api(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.more = [f"""
[[phone_number_pool]]
numbers = ["{POOL[0]}-{POOL[-1]}"]
city = "Seattle"
state = "WA"
[[phone_number_pool]]
numbers = ["+18005550150"]
"""]
    return ControlApi(stage.start_edge(), port)


def test_a_number_is_ordered_and_called_at_once(api, stage):
    client = api.client()
    names = {operation: method for method, operation in
             client.meta.method_to_api_mapping.items()}

    def ask(operation, **parameters):
        answer = getattr(client, names[operation])(**parameters)
        body = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        shape = client.meta.service_model.operation_model(operation).output_shape
        if shape is not None:
            report = ParamValidator().validate(body, shape)
            assert not report.has_errors(), report.generate_report()
        return body

    def refused(exception, operation, **parameters):
        with pytest.raises(ClientError) as caught:
            ask(operation, **parameters)
        assert caught.value.response["Error"]["Code"] == exception, caught.value.response
        return caught.value.response["Error"]["Message"]

    assert ask("SearchAvailablePhoneNumbers", AreaCode="206", State="WA", Country="US",
               PhoneNumberType="Local")["E164PhoneNumbers"] == POOL
    assert ask("SearchAvailablePhoneNumbers", TollFreePrefix="800")["E164PhoneNumbers"] == [
        "+18005550150"]
    page = ask("SearchAvailablePhoneNumbers", MaxResults=2)
    rest = ask("SearchAvailablePhoneNumbers", MaxResults=500)["E164PhoneNumbers"]
    assert page["E164PhoneNumbers"] == rest[:2] and page["NextToken"] and len(rest) == 6
    countries = ask("ListSupportedPhoneNumberCountries", ProductType="VoiceConnector")
    assert countries["PhoneNumberCountries"] == [
        {"CountryCode": "US", "SupportedPhoneNumberTypes": ["Local", "TollFree"]}]

    first, second = POOL[:2]
    order = ask("CreatePhoneNumberOrder", ProductType="VoiceConnector",
                E164PhoneNumbers=[first, second, places.GB_NUMBER])["PhoneNumberOrder"]
    assert order["Status"] == "Processing"
    order = ask("GetPhoneNumberOrder", PhoneNumberOrderId=order["PhoneNumberOrderId"])
    assert order["PhoneNumberOrder"]["Status"] == "Partial"
    assert [each["Status"] for each in order["PhoneNumberOrder"]["OrderedPhoneNumbers"]] == [
        "Acquired", "Acquired", "Failed"]
    assert len(ask("ListPhoneNumberOrders")["PhoneNumberOrders"]) == 1

    connector = ask("CreateVoiceConnector", Name="numbers", RequireEncryption=False)
    id = connector["VoiceConnector"]["VoiceConnectorId"]
    pbx = stage.uas(places.PBX)
    route = {"Host": places.PBX, "Port": pbx.port, "Protocol": "UDP", "Priority": 1, "Weight": 1}
    ask("PutVoiceConnectorOrigination", VoiceConnectorId=id,
        Origination={"Routes": [route], "Disabled": False})
    errors = ask("AssociatePhoneNumbersWithVoiceConnector", VoiceConnectorId=id,
                 E164PhoneNumbers=[first, places.NUMBER, POOL[4]])["PhoneNumberErrors"]
    assert [(each["PhoneNumberId"], each["ErrorCode"]) for each in errors] == [
        (places.NUMBER, "Forbidden"), (POOL[4], "NotFound")]
    listed = ask("ListPhoneNumbers", FilterName="VoiceConnectorId", FilterValue=id)["PhoneNumbers"]
    assert [each["PhoneNumberId"] for each in listed] == [first]
    unassigned = ask("ListPhoneNumbers", Status="Unassigned")["PhoneNumbers"]
    assert [each["PhoneNumberId"] for each in unassigned] == [second]

    caller = stage.uac(places.CARRIER, first, host=places.EDGE)
    assert int(caller.wait(30)["SuccessfulCall(C)"]) == 1

    named = ask("UpdatePhoneNumber", PhoneNumberId=first, CallingName="Front desk")
    assert named["PhoneNumber"]["CallingName"] == "Front desk"
    assert "seven days" in refused("ConflictException", "UpdatePhoneNumber", PhoneNumberId=first,
                                   CallingName="Back office")
    ask("UpdatePhoneNumberSettings", CallingName="Example")
    assert ask("GetPhoneNumberSettings")["CallingName"] == "Example"
    refused("ForbiddenException", "DeletePhoneNumber", PhoneNumberId=first)
    ask("DisassociatePhoneNumbersFromVoiceConnector", VoiceConnectorId=id,
        E164PhoneNumbers=[first])
    with pytest.raises(AssertionError, match="404 Not Found"):
        stage.uac(places.CARRIER, first, host=places.EDGE).wait(30)
    errors = ask("BatchDeletePhoneNumber", PhoneNumberIds=[first, POOL[3]])["PhoneNumberErrors"]
    assert [each["PhoneNumberId"] for each in errors] == [POOL[3]]
    deleted = ask("GetPhoneNumber", PhoneNumberId=first)["PhoneNumber"]
    assert deleted["Status"] == "ReleaseInProgress" and deleted["DeletionTimestamp"]
    restored = ask("RestorePhoneNumber", PhoneNumberId=first)["PhoneNumber"]
    assert restored["Status"] == "Unassigned" and "DeletionTimestamp" not in restored
    refused("NotFoundException", "RestorePhoneNumber", PhoneNumberId=first)


def test_a_ported_number_is_an_order_of_aws(api, stage):
    """Tandem's own operations make and move the order; boto3 sees it as AWS's."""
    client = api.client()

    def advance(id, *words):
        stage.edge.command("number", "port", "advance", id, *words, "--config",
                           str(stage.edge.file))

    made = json.loads(stage.edge.command("number", "port", "create", "+12065550907", "--json",
                                         "--config", str(stage.edge.file)))
    id = made["PortingOrder"]["PortingOrderId"]
    shape = client.meta.service_model.operation_model("GetPhoneNumberOrder").output_shape

    def seen():
        answer = client.get_phone_number_order(PhoneNumberOrderId=id)
        del answer["ResponseMetadata"]
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), report.generate_report()
        listed, = client.list_phone_number_orders()["PhoneNumberOrders"]
        assert listed == answer["PhoneNumberOrder"]
        return listed

    assert (seen()["Status"], seen()["OrderType"]) == ("Submitted", "Porting")
    for words, status in ((["--to", "PENDING_DOCUMENTS"], "PendingDocuments"),
                          (["--to", "CHANGE_REQUESTED"], "ChangeRequested"),
                          (["--to", "EXCEPTION", "--reason", "wrong name"], "Exception"),
                          (["--to", "SUBMITTED"], "Submitted"),
                          (["--to", "FOC", "--foc", "2026-03-31"], "FOC")):
        advance(id, *words)
        assert seen()["Status"] == status
    assert seen()["FocDate"] == "2026-03-31"
    advance(id, "--to", "COMPLETED")
    assert seen()["Status"] == "Successful"
    assert client.get_phone_number(PhoneNumberId="+12065550907")["PhoneNumber"]["OrderId"] == id
