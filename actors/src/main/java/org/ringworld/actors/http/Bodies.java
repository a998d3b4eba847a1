package org.ringworld.actors.http;

import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.RequestEntity;
import org.apache.pekko.stream.Materializer;
import org.ringworld.actors.http.openai.ApiFault;

/** Reads what requests carry. However many come, they have a part of the heap at most. */
final class Bodies {
    private static final Duration ARRIVES_WITHIN = Duration.ofSeconds(60);
    private static final int SHARE_OF_HEAP = 16;
    private static final int UNIT = 1024;

    private final Materializer materializer;
    private final int most;
    private final Semaphore room;

    /** One that has come; closed when nothing made of it is needed any more. */
    final class Body implements AutoCloseable {
        private final int units;
        private byte[] bytes;

        private Body(int units) {
            this.units = units;
        }

        /** Its bytes, which it forgets. */
        byte[] take() {
            byte[] taken = bytes;
            bytes = null;
            return taken;
        }

        @Override
        public void close() {
            room.release(units);
        }
    }

    /**
     * @param most bytes of one
     */
    Bodies(ActorSystem<?> system, int most) {
        this.materializer = Materializer.matFromSystem(system);
        this.most = most;
        long all = Math.max(most, Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP);
        this.room = new Semaphore(units(all));
    }

    private static int units(long bytes) {
        return (int) (bytes / UNIT) + 1;
    }

    /**
     * Reads one.
     *
     * @throws ApiFault where it cannot be taken, at once or later
     */
    CompletionStage<Body> read(HttpRequest request) {
        RequestEntity entity = request.entity();
        OptionalLong length = entity.getContentLengthOption();
        if (length.isPresent() && length.getAsLong() > most) {
            throw tooLarge();
        }
        Body body = new Body(units(length.orElse(most)));
        if (!room.tryAcquire(body.units)) {
            throw ApiFault.busy("too many large requests are answered just now: try again");
        }
        return entity.withoutSizeLimit()
                .toStrict(ARRIVES_WITHIN.toMillis(), most, materializer)
                .handle(
                        (strict, fault) -> {
                            if (fault != null) {
                                body.close();
                                throw fault(fault);
                            }
                            body.bytes = strict.getData().toArray();
                            return body;
                        });
    }

    private ApiFault tooLarge() {
        return new ApiFault(
                413,
                "invalid_request_error",
                null,
                "request_too_large",
                "the body has more than " + most + " bytes");
    }

    private ApiFault fault(Throwable fault) {
        Throwable cause = fault instanceof CompletionException ? fault.getCause() : fault;
        if (cause instanceof TimeoutException) {
            return new ApiFault(
                    408, "invalid_request_error", null, null, "the body did not arrive in time");
        }
        return cause.getMessage() != null && cause.getMessage().contains("too large")
                ? tooLarge()
                : ApiFault.request(null, "the body is broken");
    }
}
