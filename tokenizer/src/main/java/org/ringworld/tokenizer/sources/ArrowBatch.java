package org.ringworld.tokenizer.sources;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.flatbuf.Buffer;
import org.apache.arrow.flatbuf.Date;
import org.apache.arrow.flatbuf.DateUnit;
import org.apache.arrow.flatbuf.Endianness;
import org.apache.arrow.flatbuf.Field;
import org.apache.arrow.flatbuf.FieldNode;
import org.apache.arrow.flatbuf.FixedSizeList;
import org.apache.arrow.flatbuf.FloatingPoint;
import org.apache.arrow.flatbuf.Int;
import org.apache.arrow.flatbuf.Precision;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.flatbuf.Schema;
import org.apache.arrow.flatbuf.TimeUnit;
import org.apache.arrow.flatbuf.Timestamp;
import org.apache.arrow.flatbuf.Type;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Rows of an Arrow stream as JSON. Their columns lie one after the other, in the order of a walk
 * through the schema: each has a node (its length), and buffers for which of its values are there
 * and for what they are. A damaged batch gives a RuntimeException where it is met.
 */
final class ArrowBatch {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final int DEEPEST = 64;

    private final RecordBatch batch;
    private final ByteBuffer body;
    private final int rows;
    private final List<String> names = new ArrayList<>();
    private final List<Column> columns = new ArrayList<>();
    private int nextNode;
    private int nextBuffer;

    /** A column, or the inside of one that is nested. */
    @FunctionalInterface
    private interface Column {
        /** The value of a row; null where it has none, or bytes that are no text. */
        JsonNode at(int row);
    }

    /** Where in its column a value begins that is of no fixed size. */
    @FunctionalInterface
    private interface Offsets {
        long at(int row);
    }

    /**
     * @throws IOException where batch and schema do not fit
     * @throws UnsupportedOperationException where a column or the batch is of no kind that is read
     */
    ArrowBatch(Schema schema, RecordBatch batch, ByteBuffer body) throws IOException {
        this.batch = batch;
        this.body = body;
        if (schema.endianness() != Endianness.Little) {
            throw new UnsupportedOperationException("has big-endian numbers: save it again");
        }
        if (batch.compression() != null) {
            throw new UnsupportedOperationException(
                    "is compressed, which is not read: save it without compression");
        }
        this.rows = length(batch.length());
        for (int i = 0; i < schema.fieldsLength(); i++) {
            names.add(schema.fields(i).name());
            columns.add(column(schema.fields(i), rows, 0));
        }
        if (nextNode != batch.nodesLength() || nextBuffer != batch.buffersLength()) {
            throw new IOException("a batch has more columns than the schema says");
        }
    }

    int rows() {
        return rows;
    }

    /** Bytes of all rows together. */
    int bytes() {
        return body.capacity();
    }

    /** All fields of a row that have a value. */
    ObjectNode row(int row) {
        return object(names, columns, row);
    }

    private static ObjectNode object(List<String> names, List<Column> columns, int row) {
        ObjectNode object = JSON.objectNode();
        for (int i = 0; i < columns.size(); i++) {
            JsonNode value = columns.get(i).at(row);
            if (value != null) {
                object.set(names.get(i), value);
            }
        }
        return object;
    }

    /** A damaged length would give values of nothing without end: each takes a bit at least. */
    private int length(long said) throws IOException {
        if (said < 0 || said > 8L * body.capacity() || said >= Integer.MAX_VALUE) {
            throw new IOException("%d values in %d bytes".formatted(said, body.capacity()));
        }
        return (int) said;
    }

    /**
     * @param least bits that it has
     */
    private ByteBuffer buffer(long least) throws IOException {
        if (nextBuffer == batch.buffersLength()) {
            throw new IOException("a batch has fewer columns than the schema says");
        }
        Buffer place = batch.buffers(nextBuffer++);
        if (8 * place.length() < least) {
            throw new IOException("a column of a batch is too short");
        }
        int from = Math.toIntExact(place.offset());
        return body.slice(from, Math.toIntExact(place.length())).order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * @param least values that it has
     */
    private Column column(Field field, int least, int depth) throws IOException {
        if (field.dictionary() != null) {
            throw unread(field, "Dictionary");
        }
        if (depth == DEEPEST || nextNode == batch.nodesLength()) {
            throw new IOException("a batch has fewer columns than the schema says");
        }
        FieldNode node = batch.nodes(nextNode++);
        int length = length(node.length());
        if (length < least) {
            throw new IOException("column %s is too short".formatted(field.name()));
        }
        if (field.typeType() == Type.Null) {
            return row -> null;
        }
        ByteBuffer isThere = buffer(node.nullCount() == 0 ? 0 : length);
        Column values = values(field, length, depth);
        return row -> isThere.capacity() == 0 || bit(isThere, row) ? values.at(row) : null;
    }

    private static boolean bit(ByteBuffer bits, int at) {
        return (bits.get(at >> 3) >> (at & 7) & 1) != 0;
    }

    private Column values(Field field, int length, int depth) throws IOException {
        return switch (field.typeType()) {
            case Type.Bool -> {
                ByteBuffer bits = buffer(length);
                yield row -> JSON.booleanNode(bit(bits, row));
            }
            case Type.Int -> integers((Int) field.type(new Int()), length);
            case Type.FloatingPoint ->
                    floats((FloatingPoint) field.type(new FloatingPoint()), length);
            case Type.Date -> dates((Date) field.type(new Date()), length);
            case Type.Timestamp -> instants((Timestamp) field.type(new Timestamp()), length);
            case Type.Utf8, Type.Binary -> texts(field, offsets(length, 4), buffer(0));
            case Type.LargeUtf8, Type.LargeBinary -> texts(field, offsets(length, 8), buffer(0));
            case Type.List -> lists(field, offsets(length, 4), length, depth);
            case Type.LargeList -> lists(field, offsets(length, 8), length, depth);
            case Type.FixedSizeList -> {
                long size = ((FixedSizeList) field.type(new FixedSizeList())).listSize();
                yield lists(field, row -> row * size, length, depth);
            }
            case Type.Struct_ -> structs(field, length, depth);
            case Type.Map -> maps(field, offsets(length, 4), length, depth);
            default -> throw unread(field, Type.name(field.typeType()));
        };
    }

    private static UnsupportedOperationException unread(Field field, String type) {
        return new UnsupportedOperationException(
                "has a column %s of type %s, which is not read: remove it, or write Parquet"
                        .formatted(field.name(), type));
    }

    private Column integers(Int type, int length) throws IOException {
        ByteBuffer values = buffer((long) type.bitWidth() * length);
        boolean signed = type.isSigned();
        return switch (type.bitWidth()) {
            case 8 -> row -> number(values.get(row), signed, 0xff);
            case 16 -> row -> number(values.getShort(2 * row), signed, 0xffff);
            case 32 -> row -> number(values.getInt(4 * row), signed, 0xffff_ffffL);
            case 64 ->
                    row -> {
                        long value = values.getLong(8 * row);
                        return signed || value >= 0
                                ? JSON.numberNode(value)
                                : JSON.numberNode(new BigInteger(Long.toUnsignedString(value)));
                    };
            default -> throw new IOException("integers of %d bits".formatted(type.bitWidth()));
        };
    }

    private static JsonNode number(long value, boolean signed, long mask) {
        return JSON.numberNode(signed ? value : value & mask);
    }

    private Column floats(FloatingPoint type, int length) throws IOException {
        return switch (type.precision()) {
            case Precision.HALF -> {
                ByteBuffer values = buffer(16L * length);
                yield row -> JSON.numberNode(Float.float16ToFloat(values.getShort(2 * row)));
            }
            case Precision.SINGLE -> {
                ByteBuffer values = buffer(32L * length);
                yield row -> JSON.numberNode(values.getFloat(4 * row));
            }
            default -> {
                ByteBuffer values = buffer(64L * length);
                yield row -> JSON.numberNode(values.getDouble(8 * row));
            }
        };
    }

    private Column dates(Date type, int length) throws IOException {
        if (type.unit() == DateUnit.DAY) {
            ByteBuffer days = buffer(32L * length);
            return row -> text(LocalDate.ofEpochDay(days.getInt(4 * row)));
        }
        ByteBuffer millis = buffer(64L * length);
        return row -> text(instant(millis.getLong(8 * row), ChronoUnit.MILLIS));
    }

    private Column instants(Timestamp type, int length) throws IOException {
        ByteBuffer values = buffer(64L * length);
        ChronoUnit unit =
                switch (type.unit()) {
                    case TimeUnit.SECOND -> ChronoUnit.SECONDS;
                    case TimeUnit.MILLISECOND -> ChronoUnit.MILLIS;
                    case TimeUnit.MICROSECOND -> ChronoUnit.MICROS;
                    default -> ChronoUnit.NANOS;
                };
        return row -> text(instant(values.getLong(8 * row), unit));
    }

    private static Instant instant(long since1970, ChronoUnit unit) {
        return Instant.EPOCH.plus(since1970, unit);
    }

    private static JsonNode text(Object value) {
        return JSON.stringNode(value.toString());
    }

    /**
     * @param bytes of an offset, 4 or 8
     */
    private Offsets offsets(int length, int bytes) throws IOException {
        // Of no value there may be no offset at all.
        ByteBuffer offsets = buffer(length == 0 ? 0 : 8L * bytes * (length + 1L));
        return bytes == 8 ? row -> offsets.getLong(8 * row) : row -> offsets.getInt(4 * row);
    }

    private static Column texts(Field field, Offsets offsets, ByteBuffer bytes) {
        boolean mustBeText = field.typeType() == Type.Utf8 || field.typeType() == Type.LargeUtf8;
        String name = field.name();
        return row -> {
            int from = Math.toIntExact(offsets.at(row));
            byte[] raw = new byte[Math.toIntExact(Math.subtractExact(offsets.at(row + 1), from))];
            bytes.get(from, raw);
            if (Utf8.firstFault(raw) < 0) {
                return JSON.stringNode(new String(raw, StandardCharsets.UTF_8));
            }
            if (mustBeText) {
                throw new IllegalArgumentException("a text of column " + name + " is not UTF-8");
            }
            return null;
        };
    }

    private Column lists(Field field, Offsets offsets, int length, int depth) throws IOException {
        int last = last(field, offsets, length);
        Column elements = column(field.children(0), last, depth + 1);
        return row -> {
            ArrayNode array = JSON.arrayNode();
            for (int i = from(offsets, row, last); i < offsets.at(row + 1); i++) {
                JsonNode element = elements.at(i);
                array.add(element == null ? JSON.nullNode() : element);
            }
            return array;
        };
    }

    /** Elements of all lists together. */
    private int last(Field field, Offsets offsets, int length) throws IOException {
        if (field.childrenLength() != 1) {
            throw new IOException("column %s is not nested as it should".formatted(field.name()));
        }
        return length == 0 ? 0 : length(offsets.at(length));
    }

    /** Where the elements of a row begin; lists that overlap would be longer than their file. */
    private static int from(Offsets offsets, int row, int last) {
        long from = offsets.at(row);
        if (from < 0 || offsets.at(row + 1) < from || offsets.at(row + 1) > last) {
            throw new IllegalArgumentException("its lists overlap");
        }
        return (int) from;
    }

    private Column structs(Field field, int length, int depth) throws IOException {
        List<String> inner = new ArrayList<>();
        List<Column> values = new ArrayList<>();
        for (int i = 0; i < field.childrenLength(); i++) {
            inner.add(field.children(i).name());
            values.add(column(field.children(i), length, depth + 1));
        }
        return row -> object(inner, values, row);
    }

    /** Lists of structs of a key and a value, with the keys as names. */
    private Column maps(Field field, Offsets offsets, int length, int depth) throws IOException {
        int last = last(field, offsets, length);
        Field entry = field.children(0);
        if (entry.childrenLength() != 2) {
            throw new IOException("column %s is not nested as it should".formatted(field.name()));
        }
        Column entries = column(entry, last, depth + 1);
        String key = entry.children(0).name();
        String value = entry.children(1).name();
        return row -> {
            ObjectNode object = JSON.objectNode();
            for (int i = from(offsets, row, last); i < offsets.at(row + 1); i++) {
                JsonNode one = entries.at(i);
                if (one.has(value)) {
                    object.set(one.path(key).asString(), one.get(value));
                }
            }
            return object;
        };
    }
}
