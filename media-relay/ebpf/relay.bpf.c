/* The media relay's fast path: forwards settled RTP streams in the kernel, before sockets.
 *
 * Attached to the ingress of an interface (TCX). A packet that belongs to a direction of a stream is
 * rewritten (its numbers too, where the other leg knows them as others), noted and sent out;
 * everything else goes on as if this program were not there, to the relay's sockets or to whoever it is
 * for. That is also what becomes of whatever user space has to see: RTCP, STUN, DTLS, other sources than
 * the stream's, sources that start over where the numbers change, odd headers, fragments, options, VLANs,
 * and events (RFC 4733) where they are converted or kept back.
 *
 * Nothing is measured here. Each forwarded packet leaves a note (what a receiver would know of it
 * and when it came) in its stream's ring; user space reads the notes and does the arithmetic, the
 * same as for packets that it forwards itself. A full ring sends packets to user space too.
 *
 * It uses only what the kernel promises to keep (the UAPI of __sk_buff and of the helpers), so that
 * one object runs on every kernel from 6.6 on, and no header of the build host, so that the object
 * is the same wherever it is made. Structures here have their twins in src/fast_path/layout.rs.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* linux/bpf.h */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
	u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
	u32 data, data_end;
	u32 napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4];
	u32 remote_port, local_port, data_meta;
	u64 flow_keys;
	u64 tstamp;
	u32 wire_len, gso_segs;
	u64 sk;
	u32 gso_size;
};

/* struct bpf_redir_neigh */
struct next_hop {
	u32 family;
	u8 address[16];
};

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_F_PSEUDO_HDR = 1 << 4, BPF_F_MARK_MANGLED_0 = 1 << 5 };
enum { TCX_NEXT = -1 };

static void *(*const map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static long (*const l4_csum_replace)(struct __sk_buff *, u32 offset, u64 from, u64 to, u64 flags) =
	(void *)11;
static long (*const skb_pull_data)(struct __sk_buff *, u32 len) = (void *)39;
static long (*const redirect_neigh)(u32 ifindex, struct next_hop *, int size, u64 flags) =
	(void *)152;

/* Network byte order, made at compile time. */
#define NET16(value) ((u16)__builtin_bswap16(value))

enum { PACKET_HOST = 0, IPPROTO_UDP = 17, AF_INET = 2, AF_INET6 = 10 };
enum { ETH_LENGTH = 14, IPV4_LENGTH = 20, IPV6_LENGTH = 40, UDP_LENGTH = 8, RTP_LENGTH = 12 };
/* Of IPv6 (RFC 8200 section 5); no link that carries calls has less. */
enum { LEAST_MTU = 1280 };
enum { HEADERS = ETH_LENGTH + IPV6_LENGTH + UDP_LENGTH + RTP_LENGTH };
/* RFC 1122 3.2.1.7 and what Linux gives its own packets. */
enum { HOP_LIMIT = 64 };

struct ethernet {
	u8 destination[6], source[6];
	u16 protocol;
};

struct ipv4 {
	u8 version_length, tos;
	u16 total_length, identification, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u32 source, destination;
};

struct ipv6 {
	u8 version_class, class_flow;
	u16 flow;
	u16 payload_length;
	u8 next_header, hop_limit;
	u32 source[4], destination[4];
};

struct udp {
	u16 source, destination, length, checksum;
};

struct rtp {
	u8 first, second;
	u16 sequence;
	u32 timestamp, ssrc;
};

/* What user space learns of a forwarded packet, besides the source that its slot is for. Each half is
 * written at once and says which note it is of, so that one that is not whole yet is known without
 * a barrier, which would have this processor wait for the line. */
struct note {
	/* From the low bits up: timestamp (32 bits), sequence number (16), number plus one (16). */
	u64 position;
	/* From the low bits up: arrival (32 bits), length of the UDP payload in octets (16), payload
	 * type and marker (8), number plus one (8). The arrival is CLOCK_MONOTONIC in units of 1,024 ns,
	 * and wraps within 73 minutes. */
	u64 arrival;
};

/* Notes in a ring, and how many of them stay free for packets that other processors handle between
 * the look and the taking. */
enum { NOTES = 64, MARGIN = 8 };

struct ring {
	struct note notes[NOTES];
};

/* A direction of a stream: where its packets come from and to, what becomes of them, and how many
 * notes were taken. Addresses (of IPv4) and ports in network byte order. User space writes it only
 * while no port leads to it, and none has for long enough that no packet is on its way through; but
 * for tail.
 *
 * What a packet needs of all this is one cache line here and one of the ring. The lines of many
 * streams share pages: to look up where a page is costs as much as the rest of this program. */
struct slot {
	u32 source, local, new_source, new_destination;
	u32 next_hop;
	u16 source_port, new_source_port, new_destination_port;
	u8 tos;
	/* The payload type that is left to the sockets; 255, which no packet has, for none. */
	u8 withheld;
	u32 ssrc;
	/* By how much the addresses, and the ports, change the UDP checksum. */
	u32 addresses_difference, ports_difference;
	u32 ifindex;
	u16 next_hop_family;
	/* Whether the numbers change, as the wide part says. */
	u16 renumbers;
	/* Notes taken by packets, notes read by user space; both wrap. */
	u32 head, tail;
	u32 reserved[2];
};

/* How packets are numbered where the other leg has one source, in which something of ours went among
 * them before. What `first` and `span` leave out, a source that starts over, is user space's. */
struct numbering {
	/* In network byte order, as the other leg knows it. */
	u32 ssrc;
	/* What is added. */
	u32 timestamp_offset, sequence_offset;
	/* The first sequence number that is forwarded, which user space moves on all the time, and how far
	 * from that on they are. */
	u32 first, span;
};

/* The addresses of one of IPv6, and numbers that change. */
struct wide {
	u32 source[4], local[4];
	u32 new_source[4], new_destination[4];
	u32 next_hop[4];
	struct numbering numbering;
	u32 reserved[7];
};

_Static_assert(sizeof(struct slot) == 64 && sizeof(struct wide) == 128, "whole cache lines");
_Static_assert(sizeof(struct note) == 16, "a cache line has four");

/* The slots of 16 ports, plus one; 0 for a port that has none. */
enum { GROUP = 16, PORTS = 1 << 16 };

struct group {
	u32 slots[GROUP];
};

/* By family and local port: half for IPv4, half for IPv6. A hash of addresses and ports would cost
 * two cache lines more. Two addresses of a family cannot both have a slot for the same port; the
 * second has to do without. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[2 * PORTS / GROUP];
	u32 *key;
	struct group *value;
} ports SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[1];
	u32 *key;
	struct slot *value;
} slots SECTION(".maps");

/* Of the slot with the same number, as the next. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[1];
	u32 *key;
	struct wide *value;
} wides SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[1];
	u32 *key;
	struct ring *value;
} rings SECTION(".maps");

/* The number of the slot, plus one, of a port in network byte order; 0 for none. */
INLINE u32 find(u16 port, u32 first)
{
	u32 index = first + __builtin_bswap16(port);
	u32 number = index / GROUP;
	struct group *group = map_lookup_elem(&ports, &number);
	return group ? group->slots[index % GROUP] : 0;
}

INLINE int is_plain_rtp(const struct rtp *rtp)
{
	/* Version 2 without padding, extension and contributing sources; RTCP's types are 64 to 95
	 * here (RFC 5761 section 4). */
	u8 type = rtp->second & 0x7f;
	return rtp->first == 0x80 && (type < 64 || type > 95);
}

INLINE int take_note(struct slot *slot, u32 index, const struct rtp *rtp, u32 length)
{
	struct ring *ring = map_lookup_elem(&rings, &index);
	if (!ring || slot->head - slot->tail >= NOTES - MARGIN)
		return 0;
	u64 number = __sync_fetch_and_add(&slot->head, 1);
	/* Only one of each is stored, whatever the compiler would like. */
	volatile struct note *note = &ring->notes[number & (NOTES - 1)];
	number++;
	note->position = number << 48 | (u64)__builtin_bswap16(rtp->sequence) << 32 |
			 __builtin_bswap32(rtp->timestamp);
	note->arrival = number << 56 | (u64)rtp->second << 48 | (u64)(u16)length << 32 |
			(u32)(ktime_get_ns() >> 10);
	return 1;
}

/* Whether a packet goes on with what its source sent before. */
INLINE int goes_on(const struct numbering *numbering, const struct rtp *rtp)
{
	u32 first = *(const volatile u32 *)&numbering->first;
	return (u16)(__builtin_bswap16(rtp->sequence) - first) <= numbering->span;
}

/* Gives a packet its numbers on the other leg; by how much that changes the UDP checksum. */
INLINE u32 renumber(const struct numbering *numbering, struct rtp *rtp)
{
	u16 sequence = __builtin_bswap16(__builtin_bswap16(rtp->sequence) + numbering->sequence_offset);
	u32 timestamp =
		__builtin_bswap32(__builtin_bswap32(rtp->timestamp) + numbering->timestamp_offset);
	/* RFC 1624, equation 3, as the ports' difference; in words of 32 bits, which come to the same. */
	u64 sum = (u64)(u16)~rtp->sequence + sequence;
	sum += (u64)(u32)~rtp->timestamp + timestamp;
	sum += (u64)(u32)~rtp->ssrc + numbering->ssrc;
	rtp->sequence = sequence;
	rtp->timestamp = timestamp;
	rtp->ssrc = numbering->ssrc;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return sum;
}

/* The checks that both families share, behind the IP header, and the note. The note has the numbers that
 * came. */
INLINE int admit(struct slot *slot, struct wide *wide, u32 index, const struct udp *udp,
		 u32 ip_payload)
{
	u32 length = NET16(udp->length);
	if (length != ip_payload || length < UDP_LENGTH + RTP_LENGTH)
		return 0;
	const struct rtp *rtp = (const void *)(udp + 1);
	if (slot->renumbers && (!wide || !goes_on(&wide->numbering, rtp)))
		return 0;
	return udp->source == slot->source_port && is_plain_rtp(rtp) && rtp->ssrc == slot->ssrc &&
	       (rtp->second & 0x7f) != slot->withheld && take_note(slot, index, rtp, length - UDP_LENGTH);
}

/* What becomes of an admitted packet in its UDP and RTP headers; by how much that changes the checksum. */
INLINE u32 rewrite_udp(struct udp *udp, const struct slot *slot, const struct wide *wide)
{
	udp->source = slot->new_source_port;
	udp->destination = slot->new_destination_port;
	u32 difference = slot->ports_difference;
	if (slot->renumbers && wide)
		difference += renumber(&wide->numbering, (void *)(udp + 1));
	return difference;
}

INLINE int send(struct __sk_buff *skb, struct slot *slot, struct next_hop *hop, u32 checksum_at,
		int has_checksum, u32 difference)
{
	if (has_checksum) {
		u64 flags = BPF_F_MARK_MANGLED_0;
		l4_csum_replace(skb, checksum_at, 0, slot->addresses_difference,
				flags | BPF_F_PSEUDO_HDR);
		l4_csum_replace(skb, checksum_at, 0, difference, flags);
	}
	hop->family = slot->next_hop_family;
	return redirect_neigh(slot->ifindex, hop, sizeof(*hop), 0);
}

/* What packets of a direction all get in the octets that are no addresses. */
INLINE void rewrite_ipv4(struct ipv4 *ip, const struct slot *slot)
{
	u16 *class = (void *)&ip->version_length, *life = (void *)&ip->ttl;
	u16 new_class = 0x45 | slot->tos << 8, new_life = HOP_LIMIT | IPPROTO_UDP << 8;
	/* RFC 1624, equation 3. To add up the header as it stands after the stores would have to wait
	 * until these, and those of the note before them, have reached the cache; and it would make a
	 * right checksum of a wrong one. */
	u32 sum = (u16)~ip->checksum + (u16)~*class + new_class + (u16)~*life + new_life;
	sum += slot->addresses_difference;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*class = new_class;
	*life = new_life;
	ip->checksum = ~sum;
	ip->source = slot->new_source;
	ip->destination = slot->new_destination;
}

INLINE int forward_ipv4(struct __sk_buff *skb, void *data, void *end)
{
	struct ipv4 *ip = data + ETH_LENGTH;
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) + RTP_LENGTH > end)
		return TCX_NEXT;
	/* No options, no fragment. */
	if (ip->version_length != 0x45 || ip->protocol != IPPROTO_UDP ||
	    ip->fragment & NET16(0x3fff))
		return TCX_NEXT;
	u32 index = find(udp->destination, 0);
	if (!index--)
		return TCX_NEXT;
	struct slot *slot = map_lookup_elem(&slots, &index);
	if (!slot || ip->destination != slot->local || ip->source != slot->source)
		return TCX_NEXT;
	struct wide *wide = 0;
	if (slot->renumbers || slot->next_hop_family != AF_INET)
		wide = map_lookup_elem(&wides, &index);
	if (!admit(slot, wide, index, udp, NET16(ip->total_length) - IPV4_LENGTH))
		return TCX_NEXT;
	rewrite_ipv4(ip, slot);
	u32 difference = rewrite_udp(udp, slot, wide);
	/* 0 means none (RFC 768). */
	int has_checksum = udp->checksum != 0;
	struct next_hop hop = { 0 };
	if (slot->next_hop_family == AF_INET)
		__builtin_memcpy(hop.address, &slot->next_hop, sizeof(slot->next_hop));
	else if (wide)
		/* A gateway of IPv6 (RFC 8950). */
		__builtin_memcpy(hop.address, wide->next_hop, sizeof(hop.address));
	return send(skb, slot, &hop, ETH_LENGTH + IPV4_LENGTH + 6, has_checksum, difference);
}

INLINE int is_same(const u32 *one, const u32 *other)
{
	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3];
}

INLINE int forward_ipv6(struct __sk_buff *skb, void *data, void *end)
{
	struct ipv6 *ip = data + ETH_LENGTH;
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) + RTP_LENGTH > end)
		return TCX_NEXT;
	/* No extension headers, so no fragment either. */
	if (ip->next_header != IPPROTO_UDP || udp->checksum == 0)
		return TCX_NEXT;
	u32 index = find(udp->destination, PORTS);
	if (!index--)
		return TCX_NEXT;
	struct slot *slot = map_lookup_elem(&slots, &index);
	struct wide *wide = map_lookup_elem(&wides, &index);
	if (!slot || !wide || !is_same(ip->destination, wide->local) ||
	    !is_same(ip->source, wide->source))
		return TCX_NEXT;
	if (!admit(slot, wide, index, udp, NET16(ip->payload_length)))
		return TCX_NEXT;
	__builtin_memcpy(ip->source, wide->new_source, sizeof(ip->source));
	__builtin_memcpy(ip->destination, wide->new_destination, sizeof(ip->destination));
	/* Traffic class over two octets, flow label 0: ours, and we label no flows (RFC 6437). */
	ip->version_class = 0x60 | slot->tos >> 4;
	ip->class_flow = slot->tos << 4;
	ip->flow = 0;
	ip->hop_limit = HOP_LIMIT;
	u32 difference = rewrite_udp(udp, slot, wide);
	struct next_hop hop = { 0 };
	__builtin_memcpy(hop.address, wide->next_hop, sizeof(hop.address));
	return send(skb, slot, &hop, ETH_LENGTH + IPV6_LENGTH + 6, 1, difference);
}

SECTION("classifier")
int relay(struct __sk_buff *skb)
{
	/* For others, tagged, several datagrams in one, or perhaps too long for the way out, where the
	 * sockets' packets would be cut in fragments. */
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size ||
	    skb->len > ETH_LENGTH + LEAST_MTU)
		return TCX_NEXT;
	u32 protocol = skb->protocol;
	if (protocol != NET16(0x0800) && protocol != NET16(0x86dd))
		return TCX_NEXT;
	/* Brings the headers into the linear part, where they nearly always are. */
	u32 headers = skb->len < HEADERS ? skb->len : HEADERS;
	if ((void *)(u64)skb->data + headers > (void *)(u64)skb->data_end)
		skb_pull_data(skb, headers);
	void *data = (void *)(u64)skb->data;
	void *end = (void *)(u64)skb->data_end;
	if (protocol == NET16(0x0800))
		return forward_ipv4(skb, data, end);
	return forward_ipv6(skb, data, end);
}

/* No helper here asks for the GPL. */
char terms[] SECTION("license") = "Apache-2.0";
