"""Runs qemu.qmp's client: the handshake with oob, every command without arguments, events, and
quit."""
import asyncio
import sys

from qemu.qmp import EventListener, ExecuteError, QMPClient


async def main(path):
    client = QMPClient("ci")
    await client.connect(path)
    assert client.greeting.QMP.capabilities == ["oob"], client.greeting
    schema = {entity["name"]: entity for entity in await client.execute("query-qmp-schema")}
    names = [command["name"] for command in await client.execute("query-commands")]
    asked = 0
    for name in names:
        command = schema[name]
        members = schema[command["arg-type"]]["members"]
        needed = [member for member in members if "default" not in member]
        if needed or name in ("quit", "qmp_capabilities"):
            continue
        for oob in (False, True):
            try:
                await client.execute(name, oob=oob)
                assert not oob or command["allow-oob"], f"{name} was executed out of band"
            except ExecuteError as error:
                refused = f"The command {name} does not support OOB"
                wanted = "replay breakpoints are allowed only in play mode" if not oob else refused
                assert str(error) == wanted, f"{name}: {error}"
        asked += 1
    assert asked > 12, asked
    with client.listener(("STOP", "RESUME")) as listener:
        await client.execute("stop")
        assert (await listener.get())["event"] == "STOP"
        await client.execute("cont")
        assert (await listener.get())["event"] == "RESUME"
    # One command waits. Another one overtakes it and ends its wait.
    waiting = asyncio.create_task(client.execute("x-oob-test", {"lock": True}))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert (await client.execute("query-status", oob=True))["running"]
    await client.execute("x-oob-test", {"lock": False}, oob=True)
    await waiting
    end = EventListener("SHUTDOWN")
    client.register_listener(end)
    await client.execute("quit")
    assert (await end.get())["data"] == {"guest": False, "reason": "host-qmp-quit"}
    await client.disconnect()
    print(f"qmp: {asked} commands without arguments, of {len(names)}")


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
