"""Where events arrive at AWS: a bus, a topic and a queue, each read by way of a queue."""

import json

from .waiting import wait_until

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:calls"
SOURCE = "tandem.voiceconnector"


class Notified:
    """A bus with a rule for events of one type, a topic and a queue, and queues behind the first two."""

    def __init__(self, cloud, detail_type):
        self.sqs = cloud.client("sqs")
        self.queues = {name: self._queue(name) for name in ("ruled", "published")}
        self.queues["sent"] = self._queue("sent.fifo", FifoQueue="true")
        events, self._sns = cloud.client("events"), cloud.client("sns")
        events.create_event_bus(Name="calls")
        events.put_rule(Name="streams", EventBusName="calls",
                        EventPattern=json.dumps({"source": [SOURCE], "detail-type": [detail_type]}))
        events.put_targets(Rule="streams", EventBusName="calls",
                           Targets=[{"Id": "1", "Arn": self._arn("ruled")}])
        assert self._sns.create_topic(Name="calls")["TopicArn"] == TOPIC
        self._sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=self._arn("published"))
        self.sinks = {"kind": "file", "endpoint_url": cloud.url,
                      "events": {"kind": "aws", "bus": "calls"},
                      "sns": {"kind": "aws", "topic_arn": TOPIC},
                      "sqs": {"kind": "aws", "queue_url": f"{cloud.url}/{ACCOUNT}/sent.fifo"}}

    def _queue(self, name, **attributes):
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def _arn(self, name):
        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def subscribed(self, topic):
        """The name of a queue behind another topic, which is made; and the topic's ARN."""
        arn = self._sns.create_topic(Name=topic)["TopicArn"]
        self.queues[topic] = self._queue(topic)
        self._sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=self._arn(topic))
        return topic, arn

    def messages(self, name):
        """The messages that wait there, which are taken away."""
        found = self.sqs.receive_message(
            QueueUrl=self.queues[name], MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"]).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.queues[name],
                                    ReceiptHandle=message["ReceiptHandle"])
        return found

    def wait_messages(self, name, count):
        """So many messages, as they come; there must not be more of them."""
        found = []

        def arrived():
            found.extend(self.messages(name))
            return len(found) >= count

        wait_until(arrived, 60, lambda: f"{count} messages in the queue {name!r}: {found}")
        found.extend(self.messages(name))
        assert len(found) == count, found
        return found

    def message(self, name):
        found, = self.wait_messages(name, 1)
        return found
