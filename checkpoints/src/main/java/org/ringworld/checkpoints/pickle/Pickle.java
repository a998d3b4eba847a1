package org.ringworld.checkpoints.pickle;

import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;

/**
 * Reads a pickle of weights by a closed list of opcodes. Nothing that it names is executed: a
 * reduction is understood for the few constructors of a format's {@link PickleObjects}, any other
 * is refused by its name. Dictionaries become maps, tuples and lists become lists, bytes stay where
 * they lie.
 */
public final class Pickle {
    /** A name of Python's, as {@code module.name}. */
    public record Global(String name) {}

    /** Python's None. */
    public enum None {
        NONE
    }

    private final Path file;
    private final MemorySegment pickle;
    private final PickleObjects objects;
    private final Map<Long, Object> memo = new HashMap<>();
    private final Deque<List<Object>> below = new ArrayDeque<>();
    private List<Object> stack = new ArrayList<>();
    private long at;

    private Pickle(Path file, MemorySegment pickle, PickleObjects objects) {
        this.file = file;
        this.pickle = pickle;
        this.objects = objects;
    }

    /**
     * The object that was saved.
     *
     * @throws CheckpointException where the pickle is cut short, contradicts itself, or names what
     *     no weights need
     */
    public static Object read(Path file, MemorySegment pickle, PickleObjects objects)
            throws CheckpointException {
        Pickle reader = new Pickle(file, pickle, objects);
        try {
            int opcode = reader.unsigned8();
            while (opcode != '.') {
                reader.step(opcode);
                opcode = reader.unsigned8();
            }
            return reader.pop();
        } catch (IndexOutOfBoundsException
                | ClassCastException
                | IllegalArgumentException
                | NoSuchElementException e) {
            throw new CheckpointException(
                    "%s: its pickle is damaged at byte %d".formatted(file, reader.at), e);
        }
    }

    private void step(int opcode) throws CheckpointException {
        switch (opcode) {
            case 0x80 -> at++; // PROTO
            case 0x95 -> at += 8; // FRAME
            case '(' -> {
                below.push(stack);
                stack = new ArrayList<>();
            }
            case '0' -> pop();
            case 'N' -> push(None.NONE);
            case 0x88 -> push(true);
            case 0x89 -> push(false);
            case 'K' -> push((long) unsigned8());
            case 'M' -> push(take(2).get(Bytes.SHORT, 0) & 0xffffL);
            case 'J' -> push((long) take(4).get(Bytes.INT, 0));
            case 0x8a -> push(longInteger(unsigned8()));
            case 'G' -> push(bigEndianDouble());
            case 'X' -> push(text(unsigned32()));
            case 0x8c -> push(text(unsigned8()));
            case 0x8d -> push(text(take(8).get(Bytes.LONG, 0)));
            case 'T' -> push(text(unsigned32()));
            case 'U' -> push(text(unsigned8()));
            case 'C' -> push(take(unsigned8()));
            case 'B' -> push(take(unsigned32()));
            case 0x8e, 0x96 -> push(take(take(8).get(Bytes.LONG, 0)));
            case 'c' -> push(new Global(line() + "." + line()));
            case 0x93 -> {
                String name = (String) pop();
                push(new Global((String) pop() + "." + name));
            }
            case 'q' -> memo.put((long) unsigned8(), peek());
            case 'r' -> memo.put(unsigned32(), peek());
            case 0x94 -> memo.put((long) memo.size(), peek());
            case 'h' -> push(remembered(unsigned8()));
            case 'j' -> push(remembered(unsigned32()));
            default -> stepCollection(opcode);
        }
    }

    private void stepCollection(int opcode) throws CheckpointException {
        switch (opcode) {
            case ')' -> push(List.of());
            case 't' -> push(popToMark());
            case 0x85 -> push(popped(1));
            case 0x86 -> push(popped(2));
            case 0x87 -> push(popped(3));
            case ']' -> push(new ArrayList<>());
            case 'a' -> {
                Object value = pop();
                list(peek()).add(value);
            }
            case 'e' -> {
                List<Object> values = popToMark();
                list(peek()).addAll(values);
            }
            case '}' -> push(new LinkedHashMap<>());
            case 's' -> {
                List<Object> pair = popped(2);
                putAll(map(peek()), pair);
            }
            case 'u' -> {
                List<Object> pairs = popToMark();
                putAll(map(peek()), pairs);
            }
            case 'Q' -> push(objects.persistent(list(pop())));
            case 'R' -> {
                List<Object> arguments = list(pop());
                push(objects.construct((Global) pop(), arguments));
            }
            case 'b' -> {
                Object state = pop();
                objects.build(peek(), state);
            }
            default ->
                    throw new CheckpointException(
                            "%s: its pickle uses opcode 0x%02x, which no weights need: refused"
                                    .formatted(file, opcode));
        }
    }

    private void putAll(Map<Object, Object> map, List<Object> pairs) throws CheckpointException {
        for (int i = 0; i < pairs.size(); i += 2) {
            Object key = pairs.get(i);
            // Only what hashes in constant time: tuples of tuples of one tuple would take for ever.
            if (!(key instanceof String || key instanceof Long)) {
                throw new CheckpointException(
                        file + ": its pickle has a key that is neither a string nor an integer");
            }
            map.put(key, pairs.get(i + 1));
        }
    }

    private Object remembered(long key) {
        Object value = memo.get(key);
        if (value == null) {
            throw new IllegalArgumentException("nothing is remembered as " + key);
        }
        return value;
    }

    private void push(Object value) {
        stack.add(value);
    }

    private Object pop() {
        return stack.removeLast();
    }

    private Object peek() {
        return stack.getLast();
    }

    private List<Object> popToMark() {
        List<Object> values = stack;
        stack = below.pop();
        return values;
    }

    private List<Object> popped(int n) {
        List<Object> top = stack.subList(stack.size() - n, stack.size());
        List<Object> values = new ArrayList<>(top);
        top.clear();
        return values;
    }

    @SuppressWarnings("unchecked") // whatever a pickle builds holds objects
    public static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    @SuppressWarnings("unchecked")
    public static Map<Object, Object> map(Object value) {
        return (Map<Object, Object>) value;
    }

    private MemorySegment take(long bytes) {
        MemorySegment taken = pickle.asSlice(at, bytes);
        at += bytes;
        return taken;
    }

    private int unsigned8() {
        return pickle.get(Bytes.BYTE, at++) & 0xff;
    }

    private long unsigned32() {
        return take(4).get(Bytes.INT, 0) & 0xffffffffL;
    }

    private double bigEndianDouble() {
        return Double.longBitsToDouble(Long.reverseBytes(take(8).get(Bytes.LONG, 0)));
    }

    private Object longInteger(int bytes) {
        byte[] value = take(bytes).toArray(Bytes.BYTE);
        for (int i = 0; i < bytes / 2; i++) {
            byte low = value[i];
            value[i] = value[bytes - 1 - i];
            value[bytes - 1 - i] = low;
        }
        BigInteger integer = bytes == 0 ? BigInteger.ZERO : new BigInteger(value);
        // A wider one is no size of a tensor, but may stand beside them: a random seed.
        return integer.bitLength() > 63 ? (Object) integer : (Object) integer.longValue();
    }

    private String text(long bytes) {
        return new String(take(bytes).toArray(Bytes.BYTE), StandardCharsets.UTF_8);
    }

    private String line() {
        long end = at;
        while (pickle.get(Bytes.BYTE, end) != '\n') {
            end++;
        }
        String line = text(end - at);
        at++;
        return line;
    }
}
