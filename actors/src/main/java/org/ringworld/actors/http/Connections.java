package org.ringworld.actors.http;

import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import org.apache.pekko.NotUsed;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.util.ByteString;

/**
 * The open connections of a front. One that nothing is answered on is closed after a while, whether
 * its client sleeps, dribbles a request or is not there any more; there is a limit to their number.
 */
final class Connections {
    /** So long a connection may be silent, or take to say what is asked. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final int most;
    private final BiFunction<HttpRequest, Connection, CompletionStage<HttpResponse>> answer;
    private final Set<Connection> open = ConcurrentHashMap.newKeySet();

    /** One client's. */
    final class Connection {
        private final SharedKillSwitch end = KillSwitches.shared("connection");
        private final Set<Thread> working = new HashSet<>();
        private long idleSince = System.nanoTime();
        private int answering;
        private boolean gone;

        /** Requests to responses, one after the other. */
        private Flow<HttpRequest, HttpResponse, NotUsed> flow() {
            // Ends as soon as the client is gone, be it in the middle of an answer.
            return Flow.of(HttpRequest.class)
                    .watchTermination(
                            (none, done) -> {
                                done.whenComplete((_, _) -> gone());
                                return none;
                            })
                    .viaMat(end.flow(), Keep.left())
                    .mapAsync(1, this::answered);
        }

        private CompletionStage<HttpResponse> answered(HttpRequest request) {
            begins();
            return answer.apply(request, this)
                    .handle(
                            (response, fault) -> {
                                if (fault != null || response.entity().isStrict()) {
                                    ends();
                                }
                                if (fault != null) {
                                    throw new IllegalStateException(fault);
                                }
                                return response.entity().isStrict() ? response : watched(response);
                            });
        }

        private HttpResponse watched(HttpResponse response) {
            return response.transformEntityDataBytes(
                    Flow.of(ByteString.class)
                            .watchTermination(
                                    (none, done) -> {
                                        done.whenComplete((_, _) -> ends());
                                        return none;
                                    }));
        }

        private synchronized void begins() {
            answering++;
        }

        private synchronized void ends() {
            answering--;
            idleSince = System.nanoTime();
        }

        private synchronized boolean isIdle() {
            return answering == 0;
        }

        private synchronized long idleNanos(long now) {
            return answering > 0 ? 0 : now - idleSince;
        }

        /** This thread works for the client, and is interrupted when it is gone. */
        synchronized void works(Thread thread) {
            working.add(thread);
            if (gone) {
                thread.interrupt();
            }
        }

        synchronized void rests(Thread thread) {
            working.remove(thread);
        }

        private void gone() {
            open.remove(this);
            synchronized (this) {
                gone = true;
                working.forEach(Thread::interrupt);
            }
        }

        private void close() {
            open.remove(this);
            end.shutdown();
        }
    }

    Connections(
            int most, BiFunction<HttpRequest, Connection, CompletionStage<HttpResponse>> answer) {
        this.most = most;
        this.answer = answer;
    }

    /** Takes one more; where there are too many, the one that has been idle longest goes. */
    Flow<HttpRequest, HttpResponse, NotUsed> open() {
        if (open.size() >= most) {
            long now = System.nanoTime();
            open.stream()
                    .filter(Connection::isIdle)
                    .max(Comparator.comparingLong(one -> one.idleNanos(now)))
                    .ifPresent(Connection::close);
        }
        Connection connection = new Connection();
        open.add(connection);
        return connection.flow();
    }

    boolean isFull() {
        return open.size() >= most && open.stream().noneMatch(Connection::isIdle);
    }

    /** Closes those that have been idle for too long. */
    void sweep() {
        long now = System.nanoTime();
        open.stream()
                .filter(one -> one.idleNanos(now) > PATIENCE.toNanos())
                .forEach(Connection::close);
    }

    void closeIdle() {
        open.stream().filter(Connection::isIdle).forEach(Connection::close);
    }

    void closeAll() {
        open.forEach(Connection::close);
    }

    boolean areIdle() {
        return open.stream().allMatch(Connection::isIdle);
    }
}
