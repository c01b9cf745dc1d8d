"""Each operation that works, asked once by a client, in an order in which it can be done."""

from . import places
from .control_api import ACCOUNT, REGION

#: Numbers of the pool of `POOL`.
NUMBERS = [f"+1206555{n:04}" for n in range(200, 206)]
POOL = f'[[phone_number_pool]]\nnumbers = ["{NUMBERS[0]}-{NUMBERS[-1]}"]'
#: A number that nobody has.
ABSENT = "+12065550999"
ADDRESS = {"AwsAccountId": ACCOUNT, "StreetNumber": "1", "StreetInfo": "Main St",
           "City": "Seattle", "State": "WA", "Country": "US", "PostalCode": "98109"}
TERMINATION = {"CpsLimit": 1, "CallingRegions": ["US"], "CidrAllowedList": ["192.0.2.8/29"],
               "Disabled": False}
ORIGINATION = {"Disabled": False, "Routes": [
    {"Host": "192.0.2.9", "Port": 5060, "Protocol": "UDP", "Priority": 1, "Weight": 1}]}
STREAMING = {"DataRetentionInHours": 5, "Disabled": False,
             "StreamingNotificationTargets": [{"NotificationTarget": "SQS"}]}
LOGGING = {"EnableSIPLogs": True, "EnableMediaMetricLogs": False}
EMERGENCY = {"DNIS": [{"EmergencyPhoneNumber": "+12065550911", "CallingCountry": "US"}]}


def ask_all(ask, steered):
    """`ask(operation, **members)` gives a reply; `steered` is (application, transaction) of a call."""
    id = _connector(ask)
    vc = {"VoiceConnectorId": id}
    group = _group(ask, id)
    _parts(ask, vc)
    _numbers(ask, vc, group)
    _proxy(ask, vc)
    _media_applications(ask, steered)
    ask("ValidateE911Address", **ADDRESS)
    ask("UpdateGlobalSettings", VoiceConnector={})
    assert ask("GetGlobalSettings")["VoiceConnector"] == {}
    ask("UpdateVoiceConnectorGroup", **group, Name="empty", VoiceConnectorItems=[])
    ask("DeleteVoiceConnectorGroup", **group)
    ask("DeleteVoiceConnector", **vc)


def _connector(ask):
    made = ask("CreateVoiceConnector", Name="made", RequireEncryption=False)["VoiceConnector"]
    id, arn = made["VoiceConnectorId"], made["VoiceConnectorArn"]
    assert ask("ListAvailableVoiceConnectorRegions")["VoiceConnectorRegions"] == [REGION]
    assert id in [each["VoiceConnectorId"] for each in ask("ListVoiceConnectors")["VoiceConnectors"]]
    ask("UpdateVoiceConnector", VoiceConnectorId=id, Name="renamed", RequireEncryption=False)
    told = ask("GetVoiceConnector", VoiceConnectorId=id)["VoiceConnector"]
    assert told["Name"] == "renamed"
    tags = [{"Key": "team", "Value": "voice"}]
    ask("TagResource", ResourceARN=arn, Tags=tags)
    assert ask("ListTagsForResource", ResourceARN=arn)["Tags"] == tags
    ask("UntagResource", ResourceARN=arn, TagKeys=["team"])
    return id


def _group(ask, id):
    items = [{"VoiceConnectorId": id, "Priority": 1}]
    made = ask("CreateVoiceConnectorGroup", Name="both", VoiceConnectorItems=items)
    made = made["VoiceConnectorGroup"]
    group = {"VoiceConnectorGroupId": made["VoiceConnectorGroupId"]}
    assert ask("GetVoiceConnectorGroup", **group)["VoiceConnectorGroup"] == made
    assert made in ask("ListVoiceConnectorGroups")["VoiceConnectorGroups"]
    return group


def _parts(ask, vc):
    """What is put, read and deleted of a voice connector."""
    def put(part, member, value, **members):
        ask(f"PutVoiceConnector{part}", **vc, **(members or {member: value}))
        assert ask(f"GetVoiceConnector{part}", **vc)[member] == value, part

    put("Origination", "Origination", ORIGINATION)
    put("Termination", "Termination", TERMINATION)
    put("StreamingConfiguration", "StreamingConfiguration", STREAMING)
    put("LoggingConfiguration", "LoggingConfiguration", LOGGING)
    put("EmergencyCallingConfiguration", "EmergencyCallingConfiguration", EMERGENCY)
    put("ExternalSystemsConfiguration", "ExternalSystemsConfiguration",
        {"SessionBorderControllerTypes": ["AVAYA_SBCE"]},
        SessionBorderControllerTypes=["AVAYA_SBCE"])
    ask("PutVoiceConnectorTerminationCredentials", **vc,
        Credentials=[{"Username": "pbx", "Password": "geheim-1"}])
    assert ask("ListVoiceConnectorTerminationCredentials", **vc)["Usernames"] == ["pbx"]
    ask("DeleteVoiceConnectorTerminationCredentials", **vc, Usernames=["pbx"])
    ask("GetVoiceConnectorTerminationHealth", **vc)
    for part in ("EmergencyCallingConfiguration", "ExternalSystemsConfiguration",
                 "StreamingConfiguration", "Termination", "Origination"):
        ask(f"DeleteVoiceConnector{part}", **vc)


def _numbers(ask, vc, group):
    countries = ask("ListSupportedPhoneNumberCountries", ProductType="VoiceConnector")
    assert [each["CountryCode"] for each in countries["PhoneNumberCountries"]] == ["US"]
    assert ask("SearchAvailablePhoneNumbers", AreaCode="206")["E164PhoneNumbers"] == NUMBERS
    order = ask("CreatePhoneNumberOrder", ProductType="VoiceConnector", E164PhoneNumbers=NUMBERS)
    order = order["PhoneNumberOrder"]["PhoneNumberOrderId"]
    told = ask("GetPhoneNumberOrder", PhoneNumberOrderId=order)["PhoneNumberOrder"]
    assert told["Status"] == "Successful"
    assert ask("ListPhoneNumberOrders")["PhoneNumberOrders"] == [told]
    first, second = NUMBERS[:2]
    for suffix, owner, preposition in (("", vc, "From"), ("Group", group, "From")):
        what = f"VoiceConnector{suffix}"
        told = ask(f"AssociatePhoneNumbersWith{what}", **owner, E164PhoneNumbers=[first])
        assert told["PhoneNumberErrors"] == []
        told = ask("ListPhoneNumbers", FilterName=f"{what}Id", FilterValue=[*owner.values()][0])
        assert [each["PhoneNumberId"] for each in told["PhoneNumbers"]] == [first]
        told = ask(f"DisassociatePhoneNumbers{preposition}{what}", **owner,
                   E164PhoneNumbers=[first])
        assert told["PhoneNumberErrors"] == []
    ask("UpdatePhoneNumber", PhoneNumberId=first, CallingName="Front desk")
    told = ask("BatchUpdatePhoneNumber", UpdatePhoneNumberRequestItems=[
        {"PhoneNumberId": first, "Name": "desk"}, {"PhoneNumberId": second, "Name": "door"}])
    assert told["PhoneNumberErrors"] == []
    told = ask("GetPhoneNumber", PhoneNumberId=first)["PhoneNumber"]
    assert (told["CallingName"], told["Name"]) == ("Front desk", "desk")
    ask("UpdatePhoneNumberSettings", CallingName="Example")
    assert ask("GetPhoneNumberSettings")["CallingName"] == "Example"
    ask("DeletePhoneNumber", PhoneNumberId=first)
    told = ask("BatchDeletePhoneNumber", PhoneNumberIds=[second, NUMBERS[2]])
    assert told["PhoneNumberErrors"] == []
    restored = ask("RestorePhoneNumber", PhoneNumberId=first)["PhoneNumber"]
    assert restored["Status"] == "Unassigned"


def _proxy(ask, vc):
    """Sessions mask with the voice connector's own numbers."""
    ask("AssociatePhoneNumbersWithVoiceConnector", **vc, E164PhoneNumbers=[NUMBERS[0]])
    put = ask("PutVoiceConnectorProxy", **vc, DefaultSessionExpiryMinutes=60,
              PhoneNumberPoolCountries=["US"])["Proxy"]
    assert ask("GetVoiceConnectorProxy", **vc)["Proxy"] == put
    made = ask("CreateProxySession", **vc, Capabilities=["Voice"],
               ParticipantPhoneNumbers=["+13125550111", "+12125550333"])["ProxySession"]
    session = {**vc, "ProxySessionId": made["ProxySessionId"]}
    told = ask("UpdateProxySession", **session, Capabilities=["Voice"], ExpiryMinutes=9)
    assert ask("GetProxySession", **session) == told
    assert ask("ListProxySessions", **vc)["ProxySessions"] == [told["ProxySession"]]
    ask("DeleteProxySession", **session)
    ask("DeleteVoiceConnectorProxy", **vc)
    ask("DisassociatePhoneNumbersFromVoiceConnector", **vc, E164PhoneNumbers=[NUMBERS[0]])


def _media_applications(ask, steered):
    made = ask("CreateSipMediaApplication", AwsRegion=REGION, Name="menu",
               Endpoints=[{"LambdaArn": "https://menu.example.com/"}])["SipMediaApplication"]
    application = {"SipMediaApplicationId": made["SipMediaApplicationId"]}
    ask("UpdateSipMediaApplication", **application, Name="second-menu")
    told = ask("GetSipMediaApplication", **application)["SipMediaApplication"]
    assert told["Name"] == "second-menu"
    assert told in ask("ListSipMediaApplications")["SipMediaApplications"]
    member = "SipMediaApplicationLoggingConfiguration"
    logging = {"EnableSipMediaApplicationMessageLogs": True}
    ask("PutSipMediaApplicationLoggingConfiguration", **application, **{member: logging})
    assert ask("GetSipMediaApplicationLoggingConfiguration", **application)[member] == logging
    target = [{**application, "Priority": 1, "AwsRegion": REGION}]
    made = ask("CreateSipRule", Name="menu", TriggerType="ToPhoneNumber",
               TriggerValue="+12065550900", TargetApplications=target)["SipRule"]
    rule = {"SipRuleId": made["SipRuleId"]}
    updated = ask("UpdateSipRule", **rule, Name="menu", Disabled=True)["SipRule"]
    assert ask("GetSipRule", **rule)["SipRule"] == updated
    assert updated in ask("ListSipRules")["SipRules"]
    ask("DeleteSipRule", **rule)
    ask("DeleteSipMediaApplication", **application)
    id, transaction = steered
    ask("UpdateSipMediaApplicationCall", SipMediaApplicationId=id, TransactionId=transaction,
        Arguments={"reason": "closing"})


def malformed(operation):
    """Members of which one is not of its shape; `None` where nothing can be wrong."""
    members = operation.input_shape.members if operation.input_shape else {}
    wrong = {"VoiceConnectorId": "!", "VoiceConnectorGroupId": " ", "SipMediaApplicationId": " ",
             "SipRuleId": " ", "PhoneNumberId": " ", "PhoneNumberOrderId": "x", "MaxResults": 0,
             "ResourceARN": "x", "AwsAccountId": " ", "CallingName": "-", "Name": "/",
             "PhoneNumberIds": [], "UpdatePhoneNumberRequestItems": [],
             "VoiceConnector": {"CdrBucket": "-"}, "ProductType": "Fax"}
    found = next((name for name in wrong if name in members), None)
    return found and {**example(operation), found: wrong[found]}


def example(operation):
    """Members that are of their shapes, of resources that there are not."""
    shape = operation.input_shape
    if shape is None:
        return {}
    given = {"VoiceConnectorId": "a" * 22, "ProxySessionId": "x", "ProductType": "VoiceConnector",
             "PhoneNumberOrderId": "00000000-0000-4000-8000-000000000000",
             "PhoneNumberId": ABSENT, "PhoneNumberIds": [ABSENT],
             "E164PhoneNumbers": [ABSENT], "FromPhoneNumber": ABSENT,
             "ToPhoneNumber": ABSENT,
             "ResourceARN": f"arn:aws:chime:{REGION}:{ACCOUNT}:vc/{'a' * 22}",
             "Tags": [{"Key": "k", "Value": "v"}], "TagKeys": ["k"], "Origination": ORIGINATION,
             "Termination": TERMINATION, "StreamingConfiguration": STREAMING,
             "LoggingConfiguration": LOGGING, "EmergencyCallingConfiguration": EMERGENCY,
             "Usernames": ["pbx"], "Capabilities": ["Voice"], "Name": "n", "CallingName": "Example",
             "ParticipantPhoneNumbers": ["+13125550111", "+12125550333"], "AwsRegion": REGION,
             "DefaultSessionExpiryMinutes": 60, "PhoneNumberPoolCountries": ["US"],
             "Endpoints": [{"LambdaArn": "https://menu.example.com/"}],
             "TriggerType": "ToPhoneNumber", "TriggerValue": places.GB_NUMBER,
             "TargetApplications": [{"SipMediaApplicationId": "x", "Priority": 1,
                                     "AwsRegion": REGION}],
             "VoiceConnectorItems": [{"VoiceConnectorId": "a" * 22, "Priority": 1}],
             "UpdatePhoneNumberRequestItems": [{"PhoneNumberId": ABSENT, "Name": "n"}],
             "VoiceConnector": {}, "Arguments": {}, "RequireEncryption": False, **ADDRESS}
    optional = {"VoiceConnectorItems"}
    return {name: given[name] if name in given else _least(member)
            for name, member in shape.members.items()
            if name in shape.required_members or name in optional}


def _least(shape):
    """The smallest value of a shape."""
    if shape.type_name == "structure":
        return {name: _least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [_least(shape.member)] * max(1, shape.metadata.get("min", 1))
    return {"string": (getattr(shape, "enum", None) or ["a" * 22])[0], "boolean": True,
            "integer": 1, "map": {}}[shape.type_name]
