package org.ringworld.actors;

import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSession;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.remote.artery.tcp.SSLEngineProvider;
import org.apache.pekko.remote.artery.tcp.ssl.RotatingKeysSSLEngineProvider;
import scala.Option;

/** Artery's TLS from PEM files, as Pekko has it; connections that are refused are told of. */
public final class ArteryTls implements SSLEngineProvider {
    private final SSLEngineProvider rotating;

    /** Made by Artery, which finds its name in the settings. */
    public ArteryTls(ActorSystem system) {
        this.rotating = new RotatingKeysSSLEngineProvider(system);
    }

    @Override
    public SSLEngine createServerSSLEngine(String host, int port) {
        return new GuardedEngine(rotating.createServerSSLEngine(host, port), "nodes");
    }

    @Override
    public SSLEngine createClientSSLEngine(String host, int port) {
        return rotating.createClientSSLEngine(host, port);
    }

    @Override
    public Option<Throwable> verifyClientSession(String host, SSLSession session) {
        return rotating.verifyClientSession(host, session);
    }

    @Override
    public Option<Throwable> verifyServerSession(String host, SSLSession session) {
        return rotating.verifyServerSession(host, session);
    }
}
