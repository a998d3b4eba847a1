package org.ringworld.actors.wire;

import com.google.protobuf.ByteString;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import org.ringworld.model.attention.SequencePages;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Frames;
import org.ringworld.model.decode.HeldPage;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.PageDirectory;
import org.ringworld.model.decode.PageKey;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Serve;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;

/** Serving as Protobuf: what ranks are told, and what they made. */
final class ServingWire {
    private ServingWire() {}

    static RingWire.Serve write(Order.Serve order) {
        Serve serve = order.serve();
        RingWire.Serve.Builder to =
                RingWire.Serve.newBuilder()
                        .setEpoch(order.epoch())
                        .setNumber(serve.number())
                        .addAllLeaves(serve.leaves())
                        .setAhead(serve.ahead());
        for (Serve.Join join : serve.joins()) {
            Ask ask = join.ask();
            RingWire.Join.Builder one = to.addJoinsBuilder();
            if (ask.frames() != null) {
                one.setFrames(write(ask.frames()));
            }
            one.setText(join.text())
                    .addAllIds(ints(join.ids()))
                    .addAllPageRanks(ints(join.pages().ranks()))
                    .addAllPageNumbers(ints(join.pages().numbers()))
                    .setHeld(ByteString.copyFrom(join.held().toByteArray()))
                    .setWritten(join.written())
                    .setMost(ask.most())
                    .setSampler(write(ask.sampler()))
                    .addAllEnds(ask.ends())
                    .setAlternatives(ask.alternatives())
                    .setScoresFrom(ask.scoresFrom())
                    .setGuide(join.guide())
                    .setGuidance(ask.guidance() == null ? 0 : ask.guidance().scale());
        }
        for (Serve.Fill fill : serve.fills()) {
            to.addFillsBuilder().setText(fill.text()).setFrom(fill.from()).setTo(fill.to());
        }
        for (PageDirectory.Mirror mirror : serve.mirrors()) {
            to.addMirrorsBuilder()
                    .setHigh(mirror.key().high())
                    .setLow(mirror.key().low())
                    .setIndex(mirror.index())
                    .setFromRank(mirror.from().rank())
                    .setFrom(mirror.from().number())
                    .setToRank(mirror.to().rank())
                    .setTo(mirror.to().number());
        }
        return to.build();
    }

    static RingWire.HeldPages write(Report.HeldPages report) {
        RingWire.HeldPages.Builder to =
                RingWire.HeldPages.newBuilder().setRank(report.rank()).setEpoch(report.epoch());
        for (HeldPage page : report.pages()) {
            to.addPagesBuilder()
                    .setNumber(page.number())
                    .setHigh(page.key().high())
                    .setLow(page.key().low())
                    .setIndex(page.index());
        }
        return to.build();
    }

    static Report.HeldPages read(RingWire.HeldPages m) {
        List<HeldPage> pages =
                m.getPagesList().stream()
                        .map(
                                page ->
                                        new HeldPage(
                                                page.getNumber(),
                                                new PageKey(page.getHigh(), page.getLow()),
                                                page.getIndex()))
                        .toList();
        return new Report.HeldPages(m.getRank(), m.getEpoch(), pages);
    }

    private static PageDirectory.Mirror read(RingWire.Mirror m) {
        return new PageDirectory.Mirror(
                new PageKey(m.getHigh(), m.getLow()),
                m.getIndex(),
                new PageDirectory.Page(m.getFromRank(), m.getFrom()),
                new PageDirectory.Page(m.getToRank(), m.getTo()));
    }

    static RingWire.Sampler write(Sampler sampler) {
        return RingWire.Sampler.newBuilder()
                .setTemperature(sampler.temperature())
                .setTopK(sampler.topK())
                .setTopP(sampler.topP())
                .setMinP(sampler.minP())
                .setRepetitionPenalty(sampler.repetitionPenalty())
                .setSeed(sampler.seed())
                .build();
    }

    static Order.Serve read(RingWire.Serve m) {
        List<Serve.Join> joins = m.getJoinsList().stream().map(ServingWire::read).toList();
        List<Serve.Fill> fills =
                m.getFillsList().stream()
                        .map(fill -> new Serve.Fill(fill.getText(), fill.getFrom(), fill.getTo()))
                        .toList();
        Serve serve =
                new Serve(
                        m.getNumber(),
                        joins,
                        List.copyOf(m.getLeavesList()),
                        fills,
                        m.getMirrorsList().stream().map(ServingWire::read).toList(),
                        m.getAhead());
        return new Order.Serve(m.getEpoch(), serve);
    }

    private static Serve.Join read(RingWire.Join m) {
        int[] ids = ints(m.getIdsList());
        Ask ask =
                new Ask(
                        Arrays.copyOf(ids, ids.length - m.getWritten()),
                        m.getMost(),
                        read(m.getSampler()),
                        new HashSet<>(m.getEndsList()),
                        m.getAlternatives(),
                        m.getScoresFrom(),
                        m.getGuide() == 0 ? null : new Ask.Guidance(new int[0], m.getGuidance()),
                        m.hasFrames() ? read(m.getFrames()) : null);
        SequencePages pages =
                new SequencePages(ints(m.getPageRanksList()), ints(m.getPageNumbersList()));
        return new Serve.Join(
                m.getText(),
                ids,
                pages,
                BitSet.valueOf(m.getHeld().toByteArray()),
                m.getWritten(),
                m.getGuide(),
                ask);
    }

    static RingWire.Frames write(Frames frames) {
        return RingWire.Frames.newBuilder()
                .addAllOpen(ints(frames.open()))
                .setCodes(frames.codes())
                .setBook(frames.book())
                .setCount(frames.count())
                .build();
    }

    static Frames read(RingWire.Frames m) {
        return new Frames(ints(m.getOpenList()), m.getCodes(), m.getBook(), m.getCount());
    }

    static Sampler read(RingWire.Sampler s) {
        return new Sampler(
                s.getTemperature(),
                s.getTopK(),
                s.getTopP(),
                s.getMinP(),
                s.getRepetitionPenalty(),
                s.getSeed());
    }

    static RingWire.Served write(Report.Served report) {
        Made made = report.made();
        RingWire.Served.Builder to =
                RingWire.Served.newBuilder()
                        .setRank(report.rank())
                        .setEpoch(report.epoch())
                        .setServe(made.serve())
                        .setLeft(made.left())
                        .setSeconds(made.seconds());
        made.tokens().forEach(token -> to.addTokens(write(token)));
        made.scores().forEach(some -> to.addScores(write(some)));
        return to.build();
    }

    static RingWire.Token write(Made.Token token) {
        RingWire.Token.Builder one =
                RingWire.Token.newBuilder()
                        .setText(token.text())
                        .setIndex(token.index())
                        .setId(token.id())
                        .setLogprob(token.logprob())
                        .setLast(token.last());
        for (Made.Alternative other : token.alternatives()) {
            one.addLikeliest(other.id()).addTheirLogprobs(other.logprob());
        }
        return one.build();
    }

    static RingWire.Scores write(Made.Scores scores) {
        RingWire.Scores.Builder some =
                RingWire.Scores.newBuilder().setText(scores.text()).setFrom(scores.from());
        for (float logprob : scores.logprobs()) {
            some.addLogprobs(logprob);
        }
        for (boolean hit : scores.hits()) {
            some.addHits(hit);
        }
        for (int i = 0; i < scores.likeliest().length; i++) {
            some.addLikeliest(scores.likeliest()[i]).addTheirs(scores.theirs()[i]);
        }
        return some.build();
    }

    static Report.Served read(RingWire.Served m) {
        Made made =
                new Made(
                        m.getRank(),
                        m.getServe(),
                        m.getLeft(),
                        m.getTokensList().stream().map(ServingWire::read).toList(),
                        m.getScoresList().stream().map(ServingWire::read).toList(),
                        m.getSeconds());
        return new Report.Served(m.getRank(), m.getEpoch(), made);
    }

    static Made.Token read(RingWire.Token one) {
        List<Made.Alternative> others = new ArrayList<>();
        for (int i = 0; i < one.getLikeliestCount(); i++) {
            others.add(new Made.Alternative(one.getLikeliest(i), one.getTheirLogprobs(i)));
        }
        return new Made.Token(
                one.getText(),
                one.getIndex(),
                one.getId(),
                one.getLogprob(),
                others,
                one.getLast());
    }

    static Made.Scores read(RingWire.Scores one) {
        float[] logprobs = new float[one.getLogprobsCount()];
        boolean[] hits = new boolean[logprobs.length];
        for (int i = 0; i < logprobs.length; i++) {
            logprobs[i] = one.getLogprobs(i);
            hits[i] = one.getHits(i);
        }
        float[] theirs = new float[one.getTheirsCount()];
        for (int i = 0; i < theirs.length; i++) {
            theirs[i] = one.getTheirs(i);
        }
        return new Made.Scores(
                one.getText(), one.getFrom(), logprobs, hits, ints(one.getLikeliestList()), theirs);
    }

    static List<Integer> ints(int[] values) {
        return Arrays.stream(values).boxed().toList();
    }

    static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
