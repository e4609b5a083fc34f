"""A service in another language: knows only the address, and learns the messages by server reflection. Prints what it saw as JSON."""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TEXT, BYTES, MESSAGE = 9, 12, 11


def message_type(file, name, fields):
    message = file.message_type.add(name=name)
    for number, field, kind, repeated in fields:
        added = message.field.add(name=field, number=number, label=3 if repeated else 1)
        if isinstance(kind, str):
            added.type, added.type_name = MESSAGE, '.' + file.package + '.' + kind
        else:
            added.type = kind


def classes(pool, package, names):
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(package + '.' + name)) for name in names]


def reflect(channel, version):
    """The files of the services, asked for as grpc.reflection.<version> says."""
    package = 'grpc.reflection.' + version
    file = descriptor_pb2.FileDescriptorProto(name='reflection_%s.proto' % version, package=package, syntax='proto3')
    message_type(file, 'ServerReflectionRequest', [(4, 'file_containing_symbol', TEXT, False), (7, 'list_services', TEXT, False)])
    message_type(file, 'FileDescriptorResponse', [(1, 'file_descriptor_proto', BYTES, True)])
    message_type(file, 'ServiceResponse', [(1, 'name', TEXT, False)])
    message_type(file, 'ListServiceResponse', [(1, 'service', 'ServiceResponse', True)])
    message_type(
        file,
        'ServerReflectionResponse',
        [(4, 'file_descriptor_response', 'FileDescriptorResponse', False), (6, 'list_services_response', 'ListServiceResponse', False)],
    )
    own = descriptor_pool.DescriptorPool()
    own.Add(file)
    Request, Response = classes(own, package, ['ServerReflectionRequest', 'ServerReflectionResponse'])
    ask = channel.stream_stream(
        '/%s.ServerReflection/ServerReflectionInfo' % package, Request.SerializeToString, Response.FromString
    )
    [listed] = list(ask(iter([Request(list_services='*')]), timeout=10))
    services = [service.name for service in listed.list_services_response.service]
    answers = ask(iter([Request(file_containing_symbol=name) for name in services]), timeout=10)
    files = {}
    for answer in answers:
        for text in answer.file_descriptor_response.file_descriptor_proto:
            found = descriptor_pb2.FileDescriptorProto.FromString(text)
            files[found.name] = found
    return services, files


class Service:
    """Stubs of a service, made from its description."""

    def __init__(self, channel, pool, name):
        factory = message_factory.MessageFactory(pool)
        service = pool.FindServiceByName(name)
        protos = descriptor_pb2.ServiceDescriptorProto()
        service.CopyToProto(protos)
        for method, proto in zip(service.methods, protos.method):
            kind = '%s_%s' % ('stream' if proto.client_streaming else 'unary', 'stream' if proto.server_streaming else 'unary')
            stub = getattr(channel, kind)(
                '/%s/%s' % (name, method.name),
                factory.GetPrototype(method.input_type).SerializeToString,
                factory.GetPrototype(method.output_type).FromString,
            )
            setattr(self, method.name, stub)


def main(address):
    channel = grpc.insecure_channel(address)
    saw = {}
    services, files = reflect(channel, 'v1alpha')
    again, _ = reflect(channel, 'v1')
    saw['services'], saw['same'] = services, services == again
    pool = descriptor_pool.DescriptorPool()
    for file in files.values():
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    make = lambda name: factory.GetPrototype(pool.FindMessageTypeByName('troupe.v1.' + name))
    SendRequest, QueryRequest, SubscribeRequest, HistoryRequest, Error = map(
        make, ['SendRequest', 'QueryRequest', 'SubscribeRequest', 'HistoryRequest', 'Error']
    )
    actors = Service(channel, pool, 'troupe.v1.Actors')
    health = Service(channel, pool, 'grpc.health.v1.Health')
    HealthCheckRequest = factory.GetPrototype(pool.FindMessageTypeByName('grpc.health.v1.HealthCheckRequest'))
    saw['health'] = health.Check(HealthCheckRequest(service='troupe.v1.Actors'), timeout=10).status

    HealthListRequest = factory.GetPrototype(pool.FindMessageTypeByName('grpc.health.v1.HealthListRequest'))
    saw['list'] = {entry.key: entry.value.status for entry in health.List(HealthListRequest(), timeout=10).statuses}

    actor = 'counter/python'
    add = lambda by, **more: SendRequest(actor=actor, type='add', data=json.dumps({'by': by}).encode(), **more)
    first = actors.Send(add(1, key='once'), timeout=10)
    repeated = actors.Send(add(1, key='once'), timeout=10)
    saw['send'] = [first.offset, first.durable, first.duplicate, repeated.offset, repeated.duplicate]

    def failure(call):
        try:
            call()
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            told = Error.FromString(trailers['troupe-error-bin'])
            return [error.code().name, error.details(), told.code, told.message, told.reason, told.retryable, told.next]

    saw['refused'] = failure(lambda: actors.Send(SendRequest(actor=actor, type='full'), timeout=10))
    saw['hole'] = failure(lambda: actors.Send(add(1, source='py', sequence=5), timeout=10))
    saw['invalid'] = failure(lambda: actors.Send(SendRequest(actor=actor, type='add', data=b'{'), timeout=10))

    notes = actors.Subscribe(SubscribeRequest(actor=actor, topic='adds', resume=True), timeout=30)
    begun = next(notes)
    saw['begun'] = [begun.offset, getattr(begun, 'from'), begun.recovered, begun.journal != '']

    events = (
        SendRequest(actor=actor, type='full', id=n) if n == 100 else add(2, id=n, source='py', sequence=n if n < 100 else n - 1)
        for n in range(1, 301)
    )
    replies = list(actors.SendStream(events, timeout=30))
    saw['replies'] = sorted(reply.id for reply in replies) == list(range(1, 301))
    saw['refusals'] = [[reply.id, reply.error.code, reply.error.reason] for reply in replies if reply.HasField('error')]

    offsets = []
    for note in notes:
        offsets.append([getattr(note, 'from'), note.offset, json.loads(note.data)['by']])
        if len(offsets) == 300:
            break
    notes.cancel()
    saw['notes'] = all(note == [n + 1, n + 1, 1 if n == 0 else 2] for n, note in enumerate(offsets))
    answer = actors.Query(QueryRequest(actor=actor, name='value', strict=True), timeout=10)
    saw['value'] = [json.loads(answer.data), answer.offset]
    entries = list(actors.History(HistoryRequest(actor=actor, **{'from': 2}), timeout=10))
    saw['history'] = [len(entries), entries[0].offset, entries[0].type, entries[-1].offset]
    json.dump(saw, sys.stdout)


main(sys.argv[1])
